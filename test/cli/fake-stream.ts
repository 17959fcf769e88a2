import { PassThrough } from "node:stream";
import type { OutputStream } from "../../src/cli/output-stream.ts";

export interface FakeStream extends OutputStream {
  /** Everything written. */
  readonly text: () => string;
  readonly resize: (columns: number, rows: number) => void;
}

/** An output that keeps what it is given. */
export function fakeStream(
  options: Partial<OutputStream> = {},
  columns = 80,
  rows = 24,
): FakeStream {
  const written: string[] = [];
  const listeners = new Set<() => void>();
  let size = { columns, rows };
  return {
    isTerminal: false,
    canRedraw: false,
    unicode: true,
    colour: false,
    ...options,
    write: (text) => void written.push(text),
    stream: new PassThrough(),
    columns: () => size.columns,
    rows: () => size.rows,
    onResize: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    text: () => written.join(""),
    resize: (newColumns, newRows) => {
      size = { columns: newColumns, rows: newRows };
      for (const listener of listeners) listener();
    },
  };
}

/** What a terminal of the given width shows after the text: lines without trailing blanks, scrolled-off ones included. */
export function screenAfter(text: string, columns: number): readonly string[] {
  const lines: string[][] = [[]];
  let row = 0;
  let column = 0;
  const line = (): string[] => (lines[row] ??= []);
  // eslint-disable-next-line no-control-regex -- the escape sequences of a terminal are what is read here
  for (const [token] of text.matchAll(/\u001B\[(\d*)([A-Z])|[\s\S]/gu)) {
    if (token === "\n") {
      row += 1;
      column = 0;
      line();
    } else if (token === "\r") column = 0;
    else if (token === "\u001B[K") line().length = Math.min(line().length, column);
    else if (token === "\u001B[J") {
      line().length = Math.min(line().length, column);
      lines.length = row + 1;
    } else if (token.endsWith("A") && token.length > 2)
      row = Math.max(0, row - Number(token.slice(2, -1)));
    else if (token.startsWith("\u001B"))
      throw new Error(`unexpected escape ${JSON.stringify(token)}`);
    else {
      if (column === columns) {
        row += 1;
        column = 0;
      }
      line()[column] = token;
      column += 1;
    }
  }
  return lines.map((cells) =>
    Array.from(cells, (cell) => cell ?? " ")
      .join("")
      .trimEnd(),
  );
}
