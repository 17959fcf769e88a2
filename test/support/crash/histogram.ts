import { STAGES, type Stage } from "./stages.ts";

/** How many processes were killed in which stage of which operation. */
export class KillHistogram {
  readonly #counts = new Map<string, Map<Stage, number>>();
  /** Operations that had ended before they were hit. */
  readonly #ended = new Map<string, number>();

  add(kind: string, stage: Stage): void {
    const row = this.#counts.get(kind) ?? new Map<Stage, number>();
    row.set(stage, (row.get(stage) ?? 0) + 1);
    this.#counts.set(kind, row);
  }

  addEnded(kind: string): void {
    this.#ended.set(kind, (this.#ended.get(kind) ?? 0) + 1);
  }

  stages(): ReadonlySet<Stage> {
    const rows = [...this.#counts.values()];
    return new Set(STAGES.filter((stage) => rows.some((row) => row.has(stage))));
  }

  /** A table: a line an operation, a column a stage. */
  text(): string {
    const kinds = [...new Set([...this.#counts.keys(), ...this.#ended.keys()])].toSorted();
    const rows = kinds.map((kind) => this.#row(kind, [kind]));
    const header = ["killed in", ...STAGES, "all", "not hit"];
    const table = [header, ...rows, this.#row("all", kinds)];
    const widths = header.map((_, column) =>
      Math.max(...table.map((row) => row[column]?.length ?? 0)),
    );
    return table
      .map((row) => row.map((cell, column) => pad(cell, widths[column] ?? 0, column)).join("  "))
      .map((line) => `${line.trimEnd()}\n`)
      .join("");
  }

  #row(title: string, kinds: readonly string[]): readonly string[] {
    const counts = STAGES.map((stage) =>
      sum(kinds.map((kind) => this.#counts.get(kind)?.get(stage) ?? 0)),
    );
    const ended = sum(kinds.map((kind) => this.#ended.get(kind) ?? 0));
    return [
      title,
      ...[...counts, sum(counts), ended].map((count) => (count === 0 ? "" : String(count))),
    ];
  }
}

function pad(cell: string, width: number, column: number): string {
  return column === 0 ? cell.padEnd(width) : cell.padStart(width);
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
