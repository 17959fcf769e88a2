import { closeSync, openSync, writeSync } from "node:fs";
import { ImportError, printable } from "../errors.ts";
import { monotonicMs } from "./monotonic-clock.ts";
import { traceEvents, type TraceEvents } from "./trace-events.ts";

/** A trace is written in pieces of this length: a system call an event would show in it. */
const PIECE_LENGTH = 1 << 16;

export interface TraceFileOptions {
  readonly path: string;
  /** See `TraceOptions`. */
  readonly title: string;
  /** Told once, when the file cannot be written any more: no reason to give an import up. */
  readonly onFailure: (error: ImportError) => void;
}

/**
 * A trace in a file, which is made at once, or emptied. Its time begins now; `end` closes it.
 * @throws ImportError ERR_OUTPUT_IO when there can be no such file
 */
export function openTraceFile({ path, title, onFailure }: TraceFileOptions): TraceEvents {
  let fd: number | undefined = attempt(path, () => openSync(path, "w", 0o666));
  let text = "";

  function flush(): void {
    if (fd === undefined) return;
    const bytes = Buffer.from(text);
    text = "";
    for (let at = 0; at < bytes.length;) at += writeSync(fd, bytes, at);
  }

  function close(): void {
    if (fd !== undefined) closeSync(fd);
    fd = undefined;
  }

  function carefully(action: () => void): void {
    try {
      attempt(path, action);
    } catch (error) {
      try {
        close();
      } catch {
        // The first failure is the one to tell.
      }
      fd = undefined;
      if (error instanceof ImportError) onFailure(error);
    }
  }

  const events = traceEvents({
    title,
    startMs: monotonicMs(),
    write: (more) => {
      if (fd === undefined) return;
      text += more;
      if (text.length >= PIECE_LENGTH) carefully(flush);
    },
  });
  return {
    record: events.record,
    end: () => {
      if (fd === undefined) return;
      events.end();
      carefully(() => {
        flush();
        close();
      });
    },
  };
}

function attempt<T>(path: string, action: () => T): T {
  try {
    return action();
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    const message = `the trace cannot be written to ${printable(path)}: ${printable(why)}`;
    throw new ImportError("ERR_OUTPUT_IO", message, {
      hint: "Name another file with --trace.",
      details: { path },
      cause,
    });
  }
}
