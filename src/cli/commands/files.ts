import {
  listSandboxImageFiles,
  readSandboxImageFile,
  statSandboxImageFile,
  type ReadSandboxImageOptions,
  type SandboxImageFile,
} from "../../index.ts";
import { JSON_OPTION, type Command, type CommandIo, type ParsedArguments } from "../command.ts";
import { fileLine } from "../file-line.ts";
import { storeOptions } from "../global-options.ts";
import { jsonText } from "../json-text.ts";
import { flag, optionalPositional, positional } from "../option-values.ts";
import { asciiOnly, type OutputStream } from "../output-stream.ts";
import { terminalText } from "../terminal-text.ts";

const WRITE_LENGTH = 1 << 15;
const CANCELLED_HINT = "Nothing was changed.";

export const filesCommand: Command = {
  name: "files",
  aliases: [],
  summary: "List the files of an image, or print one",
  description: [
    "Looks into the root filesystem of an image without mounting or starting it. A directory is listed as `ls -l` lists it, with numeric owners and times in UTC; a file is printed. Links on the way are followed inside the image.",
  ],
  positionals: [
    { name: "NAME_OR_ID", describe: "Name or id of a registered image, or id of its snapshot" },
    { name: "PATH", optional: true, describe: "Where to look inside the image [default: /]" },
  ],
  options: [
    {
      name: "recursive",
      short: "R",
      group: "What is listed",
      describe: "Also what is below the directory, by whole paths",
    },
    {
      ...JSON_OPTION,
      describe:
        "Print an array of the files on stdout; of a file what is known of it, not its bytes",
    },
  ],
  examples: [
    { command: "tl sbx image files alpine /etc", describe: "one directory" },
    { command: "tl sbx image files alpine /etc/os-release", describe: "the bytes of one file" },
    {
      command: "tl sbx image files alpine -R --json | jq -r '.[] | select(.mode >= 1024) | .path'",
      describe: "what is setuid or setgid",
    },
  ],
  run: runFiles,
};

async function runFiles(args: ParsedArguments, io: CommandIo): Promise<void> {
  await io.interruption.guard(
    async (signal) => showFiles(args, io.out, { ...storeOptions(args), signal }),
    () => {},
    CANCELLED_HINT,
  );
}

async function showFiles(
  args: ParsedArguments,
  out: OutputStream,
  options: ReadSandboxImageOptions,
): Promise<void> {
  const nameOrId = positional(args, "NAME_OR_ID");
  const path = optionalPositional(args, "PATH") ?? "/";
  const json = flag(args, "json");
  const recursive = flag(args, "recursive");
  const file = await statSandboxImageFile(nameOrId, path, options);
  if (file.type === "file" && !json) {
    await printChunks(out, readSandboxImageFile(nameOrId, path, options));
    return;
  }
  const files =
    file.type === "directory"
      ? listSandboxImageFiles(nameOrId, path, { ...options, recursive })
      : [file];
  if (json) await printJson(out, files);
  else await printLines(out, files, { wholePaths: recursive || file.type !== "directory" });
}

type Files = AsyncIterable<SandboxImageFile> | Iterable<SandboxImageFile>;

async function printLines(
  out: OutputStream,
  files: Files,
  options: { readonly wholePaths: boolean },
): Promise<void> {
  await printText(out, async function* lines() {
    for await (const file of files) {
      const line = `${fileLine(file, options)}\n`;
      yield out.unicode ? line : asciiOnly(line);
    }
  });
}

/** An array, an element a line: neither this process nor a reader that goes by lines has to hold it whole. */
async function printJson(out: OutputStream, files: Files): Promise<void> {
  await printText(out, async function* elements() {
    let separator = "[\n";
    for await (const file of files) {
      yield `${separator}${jsonText(file, 0)}`;
      separator = ",\n";
    }
    yield separator === "[\n" ? "[]\n" : "\n]\n";
  });
}

/** Small pieces together: a system call a file would cost more than the file. */
async function printText(out: OutputStream, pieces: () => AsyncIterable<string>): Promise<void> {
  let text = "";
  for await (const piece of pieces()) {
    text += piece;
    if (text.length < WRITE_LENGTH) continue;
    if (!(await written(out, Buffer.from(text)))) return;
    text = "";
  }
  await written(out, Buffer.from(text));
}

/** As they are; on a terminal, which would obey what stands in them, as text. */
async function printChunks(out: OutputStream, chunks: AsyncIterable<Uint8Array>): Promise<void> {
  const shown = out.isTerminal ? terminalText(chunks) : chunks;
  for await (const chunk of shown) {
    if (!(await written(out, chunk))) return;
  }
}

/** Waits until the stream took it. @returns false when its reader went away */
function written(out: OutputStream, bytes: Uint8Array): Promise<boolean> {
  return new Promise((resolve) => {
    if (!out.stream.writable) resolve(false);
    else out.stream.write(bytes, (error) => resolve(error === undefined || error === null));
  });
}
