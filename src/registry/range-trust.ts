/** Failures in a row after which a host is not asked for ranges any more. */
const MOST_FAILURES = 3;

/** What this run has learned of hosts that were asked for ranges. */
export class RangeTrust {
  readonly #proven = new Set<string>();
  readonly #refused = new Set<string>();
  readonly #failures = new Map<string, number>();
  #never = false;

  allows(host: string): boolean {
    return !this.#never && !this.#refused.has(host);
  }

  /** It has answered a range as it should; before that, it is asked for one at a time. */
  isProven(host: string): boolean {
    return this.#proven.has(host);
  }

  prove(host: string): void {
    this.#proven.add(host);
  }

  worked(host: string): void {
    this.#failures.delete(host);
  }

  /** Ranges do not work there: not asked for again in this run. */
  refuse(host: string): void {
    this.#refused.add(host);
  }

  /** May have been chance. @returns whether it was once too often */
  failed(host: string): boolean {
    const failures = (this.#failures.get(host) ?? 0) + 1;
    this.#failures.set(host, failures);
    if (failures >= MOST_FAILURES) this.refuse(host);
    return failures >= MOST_FAILURES;
  }

  /** Ranges brought wrong bytes, and nobody knows which host's. */
  refuseAll(): void {
    this.#never = true;
  }
}
