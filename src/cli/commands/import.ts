import {
  importSandboxImage,
  planSandboxImageImport,
  printable,
  type ImageFormat,
  type ImportPlan,
  type ImportSandboxImageOptions,
  type ImportTimings,
  type OnEvent,
  type SandboxTemplate,
} from "../../index.ts";
import type { Command, CommandIo, ParsedArguments } from "../command.ts";
import { storeOptions } from "../global-options.ts";
import { jsonText } from "../json-text.ts";
import {
  flag,
  given,
  invalid,
  nonEmptyText,
  positional,
  positiveInteger,
  text,
} from "../option-values.ts";
import { counted, formatBytes } from "../quantities.ts";
import { UsageError } from "../usage-error.ts";
import { timingsText } from "../timings-text.ts";
import { IMPORT_OPTIONS } from "./import-options.ts";
import { LIMITS_SECTION, POSITIONAL, pullOptions } from "./pull-options.ts";
import { isJsonLog, runWatched, say } from "./watched-pull.ts";

const FORMATS: readonly ImageFormat[] = ["ext4", "erofs", "dir", "tar"];
/** 16 TiB, the largest disk of ext4. */
const MOST_DISK_MB = 16 * 2 ** 20;

export const importCommand: Command = {
  name: "import",
  aliases: [],
  summary: "Pull a container image and register its root filesystem",
  description: [
    "Pulls a container image from its registry, puts its layers together into one root filesystem, and registers that under a name that sandboxes can start from. No Docker, no daemon: every layer is verified on its way, and nothing is registered unless all of it held.",
    "Credentials are those of `docker login` and `podman login`. The reference is always resolved afresh; it is never taken for a registered name.",
  ],
  positionals: [POSITIONAL],
  options: IMPORT_OPTIONS,
  examples: [
    { command: "tl sbx image import alpine:3.20", describe: "registers the image `alpine`" },
    {
      command: "tl sbx image import ghcr.io/org/app:v2 -n app-v2 --replace",
      describe: "under a name of your own, also if that is taken",
    },
    {
      command: "tl sbx image import debian:bookworm --format dir --output ./rootfs --no-same-owner",
      describe: "the root filesystem as a directory, without being root",
    },
    {
      command: "tl sbx image import python:3.12-slim --platform linux/arm64 --json",
      describe: "another platform; the record as JSON",
    },
  ],
  sections: [
    LIMITS_SECTION,
    {
      heading: "Exit status",
      lines: [
        "0 registered; 1 failed, with an [ERR_…] code in the message; 2 the command line is wrong; 130 or 143 interrupted, and nothing was registered. Progress and messages go to stderr; stdout is empty without --json.",
      ],
    },
  ],
  run: runImport,
};

async function runImport(args: ParsedArguments, io: CommandIo): Promise<void> {
  const reference = positional(args, "IMAGE_REFERENCE");
  const options = importOptions(args);
  if (flag(args, "dry-run")) {
    for (const name of ["timings", "trace"]) {
      if (!args.options.has(name)) continue;
      throw new UsageError(`--${name} is about a pull, and --dry-run is none`, args.commandLine);
    }
  }
  let timings: ImportTimings | undefined;
  const result = await runWatched<ImportPlan | SandboxTemplate>(args, io, (watched) => {
    const onEvent: OnEvent = (event) => {
      if (event.type === "timings") ({ timings } = event);
      watched.onEvent(event);
    };
    const all = { ...options, ...watched, onEvent };
    return flag(args, "dry-run")
      ? planSandboxImageImport(reference, all)
      : importSandboxImage(reference, all);
  });
  if (flag(args, "json")) {
    io.out.write(`${jsonText(timings === undefined ? result : { ...result, timings })}\n`);
    return;
  }
  if ("dryRun" in result) {
    say(args, io, { event: "plan", message: planSentence(result), fields: { ...result } });
  }
  if (timings !== undefined && !isJsonLog(args)) io.err.write(timingsText(timings, io.err));
}

/** @throws UsageError */
export function importOptions(args: ParsedArguments): ImportSandboxImageOptions {
  return {
    ...storeOptions(args),
    ...pullOptions(args),
    ...given("registeredName", text(args, "registered-name")),
    ...given("diskMb", diskMb(args)),
    ...given("format", format(args)),
    ...given("output", outputPath(args)),
    ...given("blobCache", blobCache(args)),
    isPublic: flag(args, "public"),
    dockerCompat: flag(args, "docker_compat"),
    replace: flag(args, "replace"),
    sameOwner: !flag(args, "no-same-owner"),
    fsync: !flag(args, "no-fsync"),
    timings: flag(args, "timings"),
  };
}

/** @throws UsageError */
function diskMb(args: ParsedArguments): number | undefined {
  const value = positiveInteger(args, "disk_mb");
  if (value === undefined || value <= MOST_DISK_MB) return value;
  throw invalid(args, "disk_mb", String(value), `it must be ${MOST_DISK_MB} (16 TiB) or less`);
}

/** @throws UsageError */
function format(args: ParsedArguments): ImageFormat | undefined {
  const value = text(args, "format");
  const known = FORMATS.find((name) => name === value);
  if (value === undefined || known !== undefined) return known;
  throw invalid(args, "format", value, `it must be one of ${FORMATS.join(", ")}`);
}

/** @throws UsageError */
function blobCache(args: ParsedArguments): string | undefined {
  const value = text(args, "blob-cache");
  if (value === undefined || /^(off|on|\d+(\.\d+)?[kmgt](i?b)?)$/i.test(value)) return value;
  throw invalid(args, "blob-cache", value, "it must be off, on, or a size such as 500M or 20G");
}

/** @throws UsageError for `-`, which means stdout to everybody and would be a file of that name here */
function outputPath(args: ParsedArguments): string | undefined {
  const path = nonEmptyText(args, "output");
  if (path !== "-") return path;
  throw invalid(args, "output", path, "use `tl sbx image export` for stdout, ./- for such a file");
}

function planSentence(plan: ImportPlan): string {
  return (
    `Would import ${printable(plan.reference)} (${printable(plan.manifestDigest)}, ${printable(plan.platform)}) as '${printable(plan.name)}': ` +
    `${counted(plan.layers.length, "layer")}, ${formatBytes(plan.totalBytes)} to pull`
  );
}
