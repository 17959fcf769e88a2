import type { OnEvent } from "../../index.ts";
import type { CommandIo, ParsedArguments } from "../command.ts";
import { flag } from "../option-values.ts";
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
  const reporter = reportProgress(io.err, { quiet, verbose: flag(args, "verbose") });
  const onSignal = (name: string): void => {
    // What follows stands below the view, so the view has to be gone.
    reporter.finish();
    const message = `${name}: cleaning up (once more to stop at once)`;
    if (!quiet) io.err.write(`${statusLine(message, io.err.unicode)}\n`);
  };
  return io.interruption
    .guard((signal) => run({ signal, onEvent: reporter.onEvent }), onSignal, hint)
    .finally(() => reporter.finish());
}
