import { VERSION } from "../index.ts";
import { COMPLETION_FLAG, printCompletions } from "./completion.ts";
import { ROOT } from "./command-tree.ts";
import type { CommandIo, ParsedArguments } from "./command.ts";
import { errorLines } from "./error-text.ts";
import { isDebug } from "./global-options.ts";
import { helpText } from "./help-text.ts";
import { flag, text } from "./option-values.ts";
import { parseArguments, type Invocation } from "./parse-arguments.ts";
import { UsageError } from "./usage-error.ts";

const EXIT_FAILURE = 1;
const EXIT_USAGE = 2;

/** Parses, runs one command, prints its error if there is one. @returns the exit status */
export async function runCommandLine(rawArgs: readonly string[], io: CommandIo): Promise<number> {
  if (rawArgs[0] === COMPLETION_FLAG) {
    await printCompletions(ROOT, rawArgs);
    return 0;
  }
  let args: ParsedArguments | undefined;
  try {
    const invocation = parseArguments(ROOT, rawArgs);
    if (invocation.kind === "run") {
      args = invocation.args;
      await invocation.command.run(args, io);
      return 0;
    }
    return printHelp(invocation, io);
  } catch (error) {
    const lines = errorLines(error, {
      debug: isDebug(args, io.env) || (args === undefined && rawArgs.includes("--debug")),
      json: args === undefined ? rawArgs.includes("--json") : flag(args, "json"),
      jsonLog: wantsJsonLog(args, rawArgs),
    });
    io.err.write(`${lines.join("\n")}\n`);
    if (error instanceof UsageError) return EXIT_USAGE;
    return io.interruption.exitStatus() ?? EXIT_FAILURE;
  }
}

/** Also where the command line was not understood. */
function wantsJsonLog(args: ParsedArguments | undefined, rawArgs: readonly string[]): boolean {
  if (args !== undefined) return text(args, "log-format") === "json";
  return / --log[-_]format[= ]json /.test(` ${rawArgs.join(" ")} `);
}

function printHelp(
  invocation: Exclude<Invocation, { readonly kind: "run" }>,
  { out, err }: CommandIo,
): number {
  if (invocation.kind === "version") {
    out.write(`tl ${VERSION}\n`);
    return 0;
  }
  // A group without its command is a mistake, and the help is the message.
  const stream = invocation.kind === "help" ? out : err;
  stream.write(helpText(invocation.path, stream.columns()));
  return invocation.kind === "help" ? 0 : EXIT_USAGE;
}
