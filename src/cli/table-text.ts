import { displayWidth, padToWidth } from "./display-width.ts";

interface TableLines {
  readonly top: readonly [string, string, string, string];
  readonly head: readonly [string, string, string, string];
  readonly bottom: readonly [string, string, string, string];
  readonly side: string;
  readonly between: string;
}

/** Left end, filling, crossing, right end: comfy-table's `UTF8_FULL_CONDENSED`. */
const UNICODE_LINES: TableLines = {
  top: ["┌", "─", "┬", "┐"],
  head: ["╞", "═", "╪", "╡"],
  bottom: ["└", "─", "┴", "┘"],
  side: "│",
  between: "┆",
};
const ASCII_LINES: TableLines = {
  top: ["+", "-", "+", "+"],
  head: ["+", "=", "+", "+"],
  bottom: ["+", "-", "+", "+"],
  side: "|",
  between: "|",
};

export interface TableStyle {
  readonly unicode: boolean;
  /** White headings. */
  readonly colour: boolean;
}

/** @param rows cells that are printable already, one a heading @returns lines without a line end */
export function tableLines(
  headings: readonly string[],
  rows: readonly (readonly string[])[],
  style: TableStyle,
): readonly string[] {
  const lines = style.unicode ? UNICODE_LINES : ASCII_LINES;
  const widths = headings.map((heading, column) =>
    rows.reduce(
      (widest, row) => Math.max(widest, displayWidth(row[column] ?? "")),
      displayWidth(heading),
    ),
  );
  const rule = ([left, fill, cross, right]: TableLines["top"]): string =>
    left + widths.map((width) => fill.repeat(width + 2)).join(cross) + right;
  const line = (cells: readonly string[], paint: (cell: string) => string): string =>
    lines.side +
    widths
      .map((width, column) => paint(` ${padToWidth(cells[column] ?? "", width)} `))
      .join(lines.between) +
    lines.side;
  const white = (cell: string): string => (style.colour ? `\u001B[97m${cell}\u001B[39m` : cell);
  return [
    rule(lines.top),
    line(headings, white),
    rule(lines.head),
    ...rows.map((row) => line(row, (cell) => cell)),
    rule(lines.bottom),
  ];
}
