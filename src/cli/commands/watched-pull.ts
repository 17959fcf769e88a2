import type { OnEvent } from "../../index.ts";
import type { CommandIo, ParsedArguments } from "../command.ts";
import { writeLog, type LogRecord } from "../json-log.ts";
import { flag, invalid, text } from "../option-values.ts";
import { reportProgress } from "../progress-reporter.ts";
import { statusLine } from "../status-line.ts";

/** Runs what pulls an image: its progress is drawn on stderr, and a signal ends it. @param hint of the error, then */
export async function runWatched<Result>(
  args: ParsedArguments,
  io: CommandIo,
  run: (watched: { readonly signal: AbortSignal; readonly onEvent: OnEvent }) => Promise<Result>,
  hint?: string,
): Promise<Result> {
  const quiet = flag(args, "quiet");
  const json = isJsonLog(args);
  const reporter = reportProgress(io.err, { quiet, verbose: flag(args, "verbose"), json });
  const onSignal = (name: string): void => {
    // What follows stands below the view, so the view has to be gone.
    reporter.finish();
    const message = `${name}: cleaning up (once more to stop at once)`;
    say(args, io, { event: "signal", message, fields: { signal: name } });
  };
  return io.interruption
    .guard((signal) => run({ signal, onEvent: reporter.onEvent }), onSignal, hint)
    .finally(() => reporter.finish());
}

/** @throws UsageError */
export function isJsonLog(args: ParsedArguments): boolean {
  const format = text(args, "log-format") ?? "text";
  if (format !== "text" && format !== "json") {
    throw invalid(args, "log-format", format, "it must be text or json");
  }
  return format === "json";
}

/** A sentence of the command's own, in the form that its log has. */
export function say(
  args: ParsedArguments,
  { err }: CommandIo,
  record: Omit<LogRecord, "level">,
): void {
  if (flag(args, "quiet")) return;
  if (isJsonLog(args)) writeLog(err, { ...record, level: "info" });
  else err.write(`${statusLine(record.message, err.unicode)}\n`);
}
