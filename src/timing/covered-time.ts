/** How much time intervals cover that may lie over each other, and come in the order of their ends. */
export class CoveredTime {
  /** Pairs of start and end, ascending and apart from each other. */
  readonly #intervals: number[] = [];

  add(startMs: number, endMs: number): void {
    const intervals = this.#intervals;
    let start = startMs;
    while (intervals.length > 0 && intervals.at(-1)! >= start) {
      intervals.pop();
      start = Math.min(start, intervals.pop()!);
    }
    intervals.push(start, endMs);
  }

  get totalMs(): number {
    let total = 0;
    for (let at = 0; at < this.#intervals.length; at += 2) {
      total += this.#intervals[at + 1]! - this.#intervals[at]!;
    }
    return total;
  }
}
