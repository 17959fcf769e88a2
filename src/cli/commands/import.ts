import {
  DEFAULT_LIMITS,
  importSandboxImage,
  planSandboxImageImport,
  printable,
  type ImageFormat,
  type ImportPlan,
  type ImportSandboxImageOptions,
  type Limits,
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
  positiveNumber,
  text,
  texts,
} from "../option-values.ts";
import { reportProgress } from "../progress-reporter.ts";
import { counted, formatBytes } from "../quantities.ts";
import { statusLine } from "../status-line.ts";
import { UsageError } from "../usage-error.ts";
import { IMPORT_OPTIONS } from "./import-options.ts";

/** As the library has it, for a message that names the option. */
const LEAST_MEMORY_MB = 256;
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
  positionals: [
    {
      name: "IMAGE_REFERENCE",
      describe:
        "Image to pull, as for `docker pull`: alpine:3.20, ghcr.io/org/app@sha256:…; or an OCI layout on disk: oci:DIR[:TAG|@DIGEST]",
    },
  ],
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
    { heading: "Limits (names and defaults for --limit)", lines: [limitList()] },
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
  const json = flag(args, "json");
  const quiet = flag(args, "quiet");
  const reporter = reportProgress(io.err, { quiet, verbose: flag(args, "verbose") });
  const onSignal = (name: string): void => {
    // What follows stands below the view, so the view has to be gone.
    reporter.finish();
    if (!quiet) io.err.write(`${statusLine(cleaningUp(name), io.err.unicode)}\n`);
  };
  const result = await io.interruption
    .guard(async (signal) => {
      const all = { ...options, signal, onEvent: reporter.onEvent };
      return flag(args, "dry-run")
        ? planSandboxImageImport(reference, all)
        : importSandboxImage(reference, all);
    }, onSignal)
    .finally(() => reporter.finish());
  if (json) io.out.write(`${jsonText(result)}\n`);
  else if ("dryRun" in result && !quiet) {
    io.err.write(`${statusLine(planSentence(result), io.err.unicode)}\n`);
  }
}

/** @throws UsageError */
export function importOptions(args: ParsedArguments): ImportSandboxImageOptions {
  return {
    ...storeOptions(args),
    ...given("registeredName", text(args, "registered-name")),
    ...given("cpus", positiveNumber(args, "cpus")),
    ...given("memoryMb", positiveInteger(args, "memory", LEAST_MEMORY_MB)),
    ...given("diskMb", diskMb(args)),
    ...given("builderDiskMb", positiveInteger(args, "builder_disk_mb")),
    ...given("format", format(args)),
    ...given("platform", nonEmptyText(args, "platform")),
    ...given("output", outputPath(args)),
    ...given("concurrency", positiveInteger(args, "concurrency")),
    isPublic: flag(args, "public"),
    dockerCompat: flag(args, "docker_compat"),
    plainHttp: flag(args, "plain-http"),
    insecure: flag(args, "insecure"),
    ranges: !flag(args, "no-ranges"),
    replace: flag(args, "replace"),
    sameOwner: !flag(args, "no-same-owner"),
    fsync: !flag(args, "no-fsync"),
    limits: limits(args),
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

/** @throws UsageError for `-`, which means stdout to everybody and would be a file of that name here */
function outputPath(args: ParsedArguments): string | undefined {
  const path = nonEmptyText(args, "output");
  if (path !== "-") return path;
  throw invalid(args, "output", path, "use `tl sbx image export` for stdout, ./- for such a file");
}

/** `--limit entries=2000000`, several times. @throws UsageError */
function limits(args: ParsedArguments): Partial<Limits> {
  const found: Record<string, number> = {};
  for (const pair of texts(args, "limit")) {
    const [, name = "", digits = ""] = /^(\w+)=(\d+)$/.exec(pair) ?? [];
    const value = Number(digits);
    if (!Object.hasOwn(DEFAULT_LIMITS, name)) {
      throw invalid(args, "limit", pair, `it must be NAME=VALUE with one of ${limitNames()}`);
    }
    if (!Number.isSafeInteger(value) || value < 1) {
      throw invalid(args, "limit", pair, "the value must be a whole number, 1 or more");
    }
    if (name in found) throw new UsageError(`--limit ${name} is given twice`, args.commandLine);
    found[name] = value;
  }
  return found;
}

function limitNames(): string {
  return Object.keys(DEFAULT_LIMITS).join(", ");
}

function limitList(): string {
  return Object.entries(DEFAULT_LIMITS)
    .map(([name, value]) => `${name}=${String(value)}`)
    .join(", ");
}

function cleaningUp(signalName: string): string {
  return `${signalName}: cleaning up (once more to stop at once)`;
}

function planSentence(plan: ImportPlan): string {
  return (
    `Would import ${printable(plan.reference)} (${printable(plan.manifestDigest)}, ${printable(plan.platform)}) as '${printable(plan.name)}': ` +
    `${counted(plan.layers.length, "layer")}, ${formatBytes(plan.totalBytes)} to pull`
  );
}
