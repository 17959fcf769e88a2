import type { Writable } from "node:stream";
import type { WriteStream } from "node:tty";

/** stdout or stderr, with what can be drawn on it. */
export interface OutputStream {
  readonly write: (text: string) => void;
  /** For bytes that are no text; whoever writes them hears of a reader that went away. */
  readonly stream: Writable;
  readonly isTerminal: boolean;
  /** The cursor can be moved: a terminal that is not `dumb`. */
  readonly canRedraw: boolean;
  /** Box-drawing characters and emoji come out right. */
  readonly unicode: boolean;
  readonly colour: boolean;
  /** At least 1; 80 and 24 where the terminal gives nothing usable. */
  readonly columns: () => number;
  readonly rows: () => number;
  /** @returns what ends the watching */
  readonly onResize: (listener: () => void) => () => void;
}

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Wraps a stream of the process. A reader that went away (`| head`) silences the stream and nothing else: what the command
 * does goes on, and its exit status tells how it went. Any other failure (a full disk behind `>`) goes to `onFailure`.
 */
export function openOutput(
  stream: NodeJS.WriteStream,
  env: Environment,
  onFailure: (error: Error) => void,
): OutputStream {
  let closed = false;
  stream.on("error", (error: NodeJS.ErrnoException) => {
    if (closed) return;
    closed = true;
    // EIO and ENXIO: the terminal behind it hung up.
    if (!["EPIPE", "EIO", "ENXIO", "ERR_STREAM_DESTROYED"].includes(error.code ?? "")) {
      onFailure(error);
    }
  });
  const isTerminal = stream.isTTY;
  const unicode = !isTerminal || speaksUnicode(env);
  return {
    write: (text) => {
      if (!closed) stream.write(unicode ? text : asciiOnly(text));
    },
    stream,
    isTerminal,
    canRedraw: isTerminal && env["TERM"] !== "dumb",
    unicode,
    colour: isTerminal && env["TERM"] !== "dumb" && (env["NO_COLOR"] ?? "") === "",
    columns: () => dimension(stream, "columns", 80),
    rows: () => dimension(stream, "rows", 24),
    onResize: (listener) => {
      stream.on("resize", listener);
      return () => stream.off("resize", listener);
    },
  };
}

/** A serial console says 0 x 0, and a stream that is no terminal says nothing. */
function dimension(
  stream: Partial<WriteStream>,
  name: "columns" | "rows",
  fallback: number,
): number {
  const value = stream[name];
  return value !== undefined && Number.isInteger(value) && value > 0
    ? Math.min(value, 10_000)
    : fallback;
}

/** By the locale when it names an encoding; one that is not set at all says nothing about the terminal (containers). */
export function speaksUnicode(env: Environment): boolean {
  if (env["TERM"] === "linux" || env["TERM"] === "dumb") return false;
  const locale = [env["LC_ALL"], env["LC_CTYPE"], env["LANG"]].find(
    (value) => value !== undefined && value !== "",
  );
  return locale === undefined || /utf-?8/i.test(locale);
}

/** For terminals of another encoding: every other character as its code point. */
export function asciiOnly(text: string): string {
  return text.replaceAll(
    /\P{ASCII}/gu,
    (character) => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`,
  );
}
