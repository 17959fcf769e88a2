import { errorLines } from "./error-text.ts";
import { watchForSignals } from "./interruption.ts";
import { openOutput } from "./output-stream.ts";
import { runCommandLine } from "./run-command-line.ts";

// The process around one command: streams, signals, exit status. bin/tl.js imports this file to run the command.

const err = openOutput(process.stderr, process.env, () => {});
const out = openOutput(process.stdout, process.env, (error) => {
  err.write(`Error: cannot write to stdout: ${error.message}\n`);
  process.exitCode = 1;
});

// Node's own warnings ("SQLite is an experimental feature") are for its developers, not for users of a command.
process.removeAllListeners("warning");
process.on("uncaughtException", (error) => {
  err.write(`${errorLines(error, { debug: false, json: false }).join("\n")}\n`);
  process.exit(1);
});

const interruption = watchForSignals((signalStatus) => process.exit(signalStatus));
const status = await runCommandLine(process.argv.slice(2), {
  out,
  err,
  env: process.env,
  interruption,
});
// What was written is out, and a failure to write it known, before the process ends, whatever is still open in it. After a
// signal nobody waits for the reader of an archive that will never be whole.
const streams = interruption.exitStatus() === undefined ? [process.stdout] : [];
await Promise.all(
  [...streams, process.stderr].map(
    async (stream) => new Promise<void>((resolve) => stream.write("", () => resolve())),
  ),
);
process.exit(status === 0 ? process.exitCode : status);
