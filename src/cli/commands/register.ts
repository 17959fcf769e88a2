import { createReadStream } from "node:fs";
import { ImportError, printable, registerSandboxImage } from "../../index.ts";
import { JSON_OPTION, type Command, type ParsedArguments } from "../command.ts";
import { storeOptions } from "../global-options.ts";
import { jsonText } from "../json-text.ts";
import { flag, nonEmptyText, positional } from "../option-values.ts";
import { formatBytes } from "../quantities.ts";
import { UsageError } from "../usage-error.ts";

/** It is kept in the catalog and shown by `describe`; no Dockerfile is near this. */
const DOCKERFILE_BYTES = 1 << 20;

export const registerCommand: Command = {
  name: "register",
  aliases: [],
  summary: "Give a name to an existing snapshot",
  description: ["Registers an existing, completed snapshot under a name."],
  positionals: [
    { name: "IMAGE_NAME", describe: "Name to register" },
    { name: "SNAPSHOT_ID", describe: "Id of a completed snapshot, as `describe` shows it" },
  ],
  options: [
    {
      name: "dockerfile",
      value: "PATH",
      group: "Options",
      describe: "The Dockerfile it was made from; its text is stored beside the image (required)",
    },
    { name: "public", group: "Options", describe: "Let every project resolve the name" },
    {
      name: "replace",
      group: "Options",
      describe: "Take the name over if it is registered already",
    },
    { ...JSON_OPTION, group: "Options", describe: "Print the registered record as JSON on stdout" },
  ],
  examples: [
    {
      command: "tl sbx image register my-image snap_… --dockerfile ./Dockerfile",
      describe: "a second name for the snapshot of another image",
    },
  ],
  run: async (args, { out }) => {
    const dockerfilePath = nonEmptyText(args, "dockerfile");
    if (dockerfilePath === undefined) {
      throw new UsageError("missing option --dockerfile <PATH>", args.commandLine);
    }
    const image = await registerSandboxImage(
      positional(args, "IMAGE_NAME"),
      positional(args, "SNAPSHOT_ID"),
      await registerOptions(args, dockerfilePath),
    );
    if (flag(args, "json")) {
      out.write(`${jsonText(image)}\n`);
      return;
    }
    out.write(
      `Registered image '${printable(image.name)}' -> snapshot ${printable(image.snapshotId)} (rootfs ${formatBytes(image.rootfsDiskBytes)})\n` +
        `Template: ${printable(image.id)}\n` +
        `${printable(image.snapshotUri, 4000)}\n`,
    );
  },
};

async function registerOptions(
  args: ParsedArguments,
  dockerfilePath: string,
): Promise<NonNullable<Parameters<typeof registerSandboxImage>[2]>> {
  return {
    ...storeOptions(args),
    dockerfile: await readDockerfile(dockerfilePath),
    isPublic: flag(args, "public"),
    replace: flag(args, "replace"),
  };
}

/** A pipe will do too (`--dockerfile <(…)`), so the size is watched while reading. */
async function readDockerfile(path: string): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of createReadStream(path, { end: DOCKERFILE_BYTES })) {
      const piece = Buffer.from(chunk);
      chunks.push(piece);
      bytes += piece.length;
    }
  } catch (cause) {
    const missing = cause instanceof Error && "code" in cause && cause.code === "ENOENT";
    const what = missing ? "Dockerfile not found" : "the Dockerfile cannot be read";
    throw new ImportError("ERR_OPTION_INVALID", `${what}: ${printable(path)}`, { cause });
  }
  if (bytes > DOCKERFILE_BYTES) {
    throw new ImportError(
      "ERR_OPTION_INVALID",
      `the Dockerfile ${printable(path)} is larger than ${formatBytes(DOCKERFILE_BYTES)}`,
    );
  }
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(Buffer.concat(chunks));
  } catch (cause) {
    throw new ImportError(
      "ERR_OPTION_INVALID",
      `the Dockerfile ${printable(path)} is not UTF-8 text`,
      { cause },
    );
  }
}
