import type { Ran } from "./chaos-import.ts";
import type { ChaosOrigin } from "./chaos-origin.ts";
import { FAULT_ROWS, nameOfRow, type ChaosPlan } from "./chaos-plan.ts";

/** What a run did, in numbers. */
export class ChaosTally {
  imports = 0;
  succeeded = 0;
  retries = 0;
  longestMs = 0;
  longestNumber = 0;
  readonly #failures = new Map<string, number>();
  readonly #faults = new Map<string, number>(FAULT_ROWS.map((row) => [nameOfRow(row), 0]));

  count(
    plan: ChaosPlan,
    { outcome, tookMs, events }: Ran,
    met: ReturnType<ChaosOrigin["met"]>,
  ): void {
    this.imports += 1;
    if (outcome.kind === "done") this.succeeded += 1;
    else add(this.#failures, outcome.kind === "failed" ? outcome.error.code : "BROKEN", 1);
    this.retries += events.filter(({ type }) => type === "retry").length;
    if (tookMs > this.longestMs) {
      this.longestMs = tookMs;
      this.longestNumber = plan.number;
    }
    for (const { row, count } of met) add(this.#faults, nameOfRow(row), count);
  }

  get faults(): number {
    return [...this.#faults.values()].reduce((sum, count) => sum + count, 0);
  }

  /** Rows of the catalogue that no import met. */
  get neverMet(): readonly string[] {
    return [...this.#faults].filter(([, count]) => count === 0).map(([name]) => name);
  }

  /** @param mostMs how long an import may take */
  lines(mostMs: number): readonly string[] {
    const failed = this.imports - this.succeeded;
    return [
      `${this.imports} imports, ${this.succeeded} succeeded, ${failed} failed, ${this.retries} retries`,
      `longest import ${(this.longestMs / 1000).toFixed(1)} s (number ${this.longestNumber}); the bound is ${mostMs / 1000} s`,
      "failed by code:",
      ...columns(this.#failures),
      `${this.faults} faults met, of ${this.#faults.size} kinds:`,
      ...columns(this.#faults),
    ];
  }
}

function add(counts: Map<string, number>, name: string, count: number): void {
  counts.set(name, (counts.get(name) ?? 0) + count);
}

function columns(counts: ReadonlyMap<string, number>): readonly string[] {
  return [...counts]
    .toSorted(([, a], [, b]) => b - a)
    .map(([name, count]) => `${String(count).padStart(7)}  ${name}`);
}
