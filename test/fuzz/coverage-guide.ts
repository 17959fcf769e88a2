import { Session, type Profiler } from "node:inspector";

const OWN_SOURCES = /\/src\//;

type Interval = readonly [start: number, end: number];

/** Which parts of src/ were ever run, as V8's block coverage tells: a millisecond a look. */
export class CoverageGuide {
  readonly #session = new Session();
  /** By function: what of it was never run. */
  readonly #untouched = new Map<string, readonly Interval[]>();

  constructor() {
    this.#session.connect();
    this.#session.post("Profiler.enable");
    this.#session.post("Profiler.startPreciseCoverage", { callCount: true, detailed: true });
  }

  /** Whether something ran for the first time since the last look. */
  looksNew(): boolean {
    return this.#take().some(([key, missed]) => this.#isNew(key, missed));
  }

  /** The same, and remembers it. */
  learn(): boolean {
    let isNew = false;
    for (const [key, missed] of this.#take()) {
      if (!this.#isNew(key, missed)) continue;
      isNew = true;
      const before = this.#untouched.get(key);
      this.#untouched.set(key, before === undefined ? missed : common(before, missed));
    }
    return isNew;
  }

  stop(): void {
    this.#session.disconnect();
  }

  #isNew(key: string, missed: readonly Interval[]): boolean {
    const before = this.#untouched.get(key);
    return before === undefined || lengthOf(common(before, missed)) < lengthOf(before);
  }

  /** The functions that ran since the last call, each with what of it did not. */
  #take(): (readonly [string, readonly Interval[]])[] {
    const functions: (readonly [string, readonly Interval[]])[] = [];
    this.#session.post("Profiler.takePreciseCoverage", (error, { result }) => {
      if (error !== null) throw error;
      for (const { url, functions: found } of result) {
        if (OWN_SOURCES.test(url)) functions.push(...found.flatMap((one) => partsOf(url, one)));
      }
    });
    return functions;
  }
}

function partsOf(
  url: string,
  { ranges }: Profiler.FunctionCoverage,
): (readonly [string, readonly Interval[]])[] {
  const [whole] = ranges;
  if (whole === undefined || whole.count === 0) return [];
  const missed = ranges.filter(({ count }) => count === 0);
  const key = `${url}:${whole.startOffset}`;
  return [[key, missed.map(({ startOffset, endOffset }) => [startOffset, endOffset])]];
}

function common(some: readonly Interval[], others: readonly Interval[]): readonly Interval[] {
  return some.flatMap(([start, end]) =>
    others
      .map(([from, to]): Interval => [Math.max(start, from), Math.min(end, to)])
      .filter(([from, to]) => from < to),
  );
}

function lengthOf(intervals: readonly Interval[]): number {
  return intervals.reduce((sum, [start, end]) => sum + end - start, 0);
}
