import type { Progress } from "./child-messages.ts";

/** What one target came to. */
export interface TargetFigures {
  readonly executions: number;
  readonly accepted: number;
  readonly corpus: number;
  readonly seconds: number;
  readonly slowestMs: number;
  readonly rssMib: number;
  readonly findings: number;
}

export const NO_FIGURES: TargetFigures = {
  executions: 0,
  accepted: 0,
  corpus: 0,
  seconds: 0,
  slowestMs: 0,
  rssMib: 0,
  findings: 0,
};

/** Figures of a process that was ended, with those of the next one for the same target. */
export function withProgress(
  before: TargetFigures,
  progress: Progress,
  more: { readonly seconds: number; readonly findings: number },
): TargetFigures {
  return {
    executions: before.executions + progress.executions,
    accepted: before.accepted + progress.accepted,
    corpus: progress.corpus,
    slowestMs: Math.max(before.slowestMs, progress.slowestMs),
    rssMib: Math.max(before.rssMib, progress.rssMib),
    seconds: more.seconds,
    findings: more.findings,
  };
}

const COLUMNS: readonly (readonly [title: string, cell: (figures: TargetFigures) => string])[] = [
  ["executions", ({ executions }) => String(executions)],
  ["a second", ({ executions, seconds }) => (executions / Math.max(seconds, 0.001)).toFixed(0)],
  [
    "accepted",
    ({ executions, accepted }) => `${((100 * accepted) / Math.max(1, executions)).toFixed(0)} %`,
  ],
  ["corpus", ({ corpus }) => String(corpus)],
  ["slowest", ({ slowestMs }) => `${slowestMs.toFixed(0)} ms`],
  ["most RSS", ({ rssMib }) => `${rssMib} MiB`],
  ["findings", ({ findings }) => String(findings)],
];

/** A line while it runs. */
export function progressLine(name: string, figures: TargetFigures): string {
  const cells = COLUMNS.map(([title, cell]) => `${title} ${cell(figures)}`);
  return `${new Date().toISOString().slice(11, 19)} ${name}: ${cells.join(", ")}`;
}

/** A row a target, and all of them together. */
export function summaryTable(figures: ReadonlyMap<string, TargetFigures>): string {
  const rowOf = (name: string, one: TargetFigures): readonly string[] =>
    [name].concat(COLUMNS.map(([, cell]) => cell(one)));
  const rows = [
    ["target"].concat(COLUMNS.map(([title]) => title)),
    ...Array.from(figures, ([name, one]) => rowOf(name, one)),
    rowOf("all", sumOf([...figures.values()])),
  ];
  const widths =
    rows[0]?.map((_, at) => Math.max(...rows.map((row) => row[at]?.length ?? 0))) ?? [];
  return rows
    .map((row) =>
      row
        .map((cell, at) =>
          at === 0 ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0),
        )
        .join("  "),
    )
    .join("\n");
}

function sumOf(all: readonly TargetFigures[]): TargetFigures {
  return all.reduce(
    (sum, one) => ({
      executions: sum.executions + one.executions,
      accepted: sum.accepted + one.accepted,
      corpus: sum.corpus + one.corpus,
      seconds: sum.seconds + one.seconds,
      slowestMs: Math.max(sum.slowestMs, one.slowestMs),
      rssMib: Math.max(sum.rssMib, one.rssMib),
      findings: sum.findings + one.findings,
    }),
    NO_FIGURES,
  );
}
