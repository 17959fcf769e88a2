import {
  exportSandboxImage,
  type ExportSandboxImageOptions,
  type ImportEvent,
} from "../../index.ts";
import { JSON_OPTION, type Command, type CommandIo, type ParsedArguments } from "../command.ts";
import { storeOptions } from "../global-options.ts";
import { jsonText } from "../json-text.ts";
import { flag, invalid, nonEmptyText, positional, text } from "../option-values.ts";
import type { OutputStream } from "../output-stream.ts";
import { statusLine, warningLine } from "../status-line.ts";
import { UsageError } from "../usage-error.ts";

const WHAT = "What is written";
const STDOUT = "-";
const CANCELLED_HINT = "Nothing was exported.";

export const exportCommand: Command = {
  name: "export",
  aliases: [],
  summary: "Write an image's root filesystem as a tar archive or a directory",
  description: [
    "Writes the root filesystem of an image as one tar archive or as a directory, whatever format its snapshot has. The archive is reproducible: equal root filesystems give equal bytes, on every machine.",
    "As root a directory is exact; otherwise what this user may write is written, and the rest is listed.",
  ],
  positionals: [
    { name: "NAME_OR_ID", describe: "Name or id of a registered image, or id of its snapshot" },
  ],
  options: [
    {
      name: "format",
      value: "FORMAT",
      group: WHAT,
      describe: "tar, one archive; or dir, a directory [default: tar]",
    },
    {
      name: "output",
      short: "o",
      value: "PATH",
      group: WHAT,
      describe: "Where it goes (required); - sends an archive to stdout",
    },
    {
      name: "replace",
      group: WHAT,
      describe: "Overwrite an archive that is there; a directory must be new or empty in any case",
    },
    {
      name: "no-same-owner",
      group: WHAT,
      describe: "Write a directory as an ordinary user would, even as root",
    },
    {
      name: "no-fsync",
      group: WHAT,
      describe: "Do not wait for the disk: faster, lost if the power fails",
    },
    { ...JSON_OPTION, describe: "Print what was written as JSON on stdout" },
    {
      name: "quiet",
      group: "Output",
      describe: "Print nothing on stderr but warnings and errors",
    },
  ],
  examples: [
    { command: "tl sbx image export alpine -o alpine.tar", describe: "one archive" },
    {
      command: "tl sbx image export alpine -o - | docker import - alpine:flat",
      describe: "straight into another program",
    },
    {
      command: "tl sbx image export alpine --format dir -o ./rootfs",
      describe: "as a directory",
    },
  ],
  run: runExport,
};

async function runExport(args: ParsedArguments, io: CommandIo): Promise<void> {
  const nameOrId = positional(args, "NAME_OR_ID");
  const options = exportOptions(args, io.out);
  const quiet = flag(args, "quiet");
  const onSignal = (name: string): void => {
    const message = `${name}: cleaning up (once more to stop at once)`;
    if (!quiet) io.err.write(`${statusLine(message, io.err.unicode)}\n`);
  };
  const result = await io.interruption.guard(
    async (signal) =>
      exportSandboxImage(nameOrId, { ...options, signal, onEvent: printTo(io.err, quiet) }),
    onSignal,
    CANCELLED_HINT,
  );
  if (flag(args, "json")) io.out.write(`${jsonText(result)}\n`);
}

function printTo(err: OutputStream, quiet: boolean): (event: ImportEvent) => void {
  return (event) => {
    if (event.type === "warning") err.write(`${warningLine(event.message, err.unicode)}\n`);
    if (event.type !== "status" || quiet) return;
    err.write(`${statusLine(event.message, err.unicode)}\n`);
  };
}

/** @throws UsageError */
function exportOptions(args: ParsedArguments, out: OutputStream): ExportSandboxImageOptions {
  const format = formatOf(args);
  const output = nonEmptyText(args, "output");
  if (output === undefined) {
    throw new UsageError("missing option --output <PATH>", args.commandLine);
  }
  const replace = flag(args, "replace");
  if (replace && (format === "dir" || output === STDOUT)) {
    throw new UsageError("--replace is for an archive in a file", args.commandLine);
  }
  return {
    ...storeOptions(args),
    format,
    output: output === STDOUT ? stdoutStream(args, out) : output,
    replace,
    fsync: !flag(args, "no-fsync"),
    ...(flag(args, "no-same-owner") ? { sameOwner: false } : {}),
  };
}

function formatOf(args: ParsedArguments): "tar" | "dir" {
  const value = text(args, "format") ?? "tar";
  if (value === "tar" || value === "dir") return value;
  throw invalid(args, "format", value, "it must be tar or dir");
}

function stdoutStream(args: ParsedArguments, out: OutputStream): OutputStream["stream"] {
  const refuse = (why: string): UsageError => new UsageError(why, args.commandLine);
  if (flag(args, "json")) throw refuse("--json and --output - cannot both have stdout");
  if (text(args, "format") === "dir") throw refuse("a directory cannot go to stdout");
  if (out.isTerminal) throw refuse("an archive is not for a terminal; redirect or pipe it");
  return out.stream;
}
