import { DEFAULT_LIMITS, type Limits, type PullSandboxImageOptions } from "../../index.ts";
import type { Command, OptionSpec, ParsedArguments, PositionalSpec } from "../command.ts";
import {
  flag,
  given,
  invalid,
  nonEmptyText,
  positiveInteger,
  positiveNumber,
  texts,
} from "../option-values.ts";
import { UsageError } from "../usage-error.ts";
import { MIRROR_OPTIONS, mirrorOptions } from "./mirror-options.ts";

/** What the commands that pull have in common. */
const SOURCE = "Where it comes from";
const NETWORK = "Retries and timeouts";
export const RESOURCES = "Resources";
export const SAFETY = "Exactness and safety";
export const OUTPUT = "Output";
/** As the library has it, for a message that names the option. */
const LEAST_MEMORY_MB = 256;
const MOST_SECONDS = 604_800;

export const POSITIONAL: PositionalSpec = {
  name: "IMAGE_REFERENCE",
  describe:
    "Image to pull, as for `docker pull`: alpine:3.20, ghcr.io/org/app@sha256:…; or one on disk: oci:DIR[:TAG|@DIGEST], oci-archive:FILE[:TAG|@DIGEST], docker-archive:FILE[:NAME:TAG]",
};

export const PULL_OPTIONS: readonly OptionSpec[] = [
  {
    name: "platform",
    value: "PLATFORM",
    group: SOURCE,
    describe:
      "Which platform of the image: os/arch[/variant], e.g. linux/arm64 [default: linux and this machine's CPU]",
  },
  {
    name: "plain-http",
    group: SOURCE,
    describe: "Speak http, not https, with the registry (loopback registries may do so anyway)",
  },
  {
    name: "insecure",
    group: SOURCE,
    describe: "Do not check the registry's TLS certificate, and speak http where it speaks no TLS",
  },
  ...MIRROR_OPTIONS,
  {
    name: "concurrency",
    value: "N",
    group: RESOURCES,
    describe: "Connections for layers, and so layers pulled side by side [default: 8]",
  },
  {
    name: "no-ranges",
    group: RESOURCES,
    describe:
      "One connection for each layer; without this, connections that no layer uses fetch parts of a large one, where one is too slow",
  },
  {
    name: "retries",
    value: "N",
    group: NETWORK,
    describe:
      "How often a request that brings nothing is repeated, after random waits of at most 0.5, 1, 2 … 30 s [default: 5]",
  },
  {
    name: "stall-timeout",
    value: "SECONDS",
    group: NETWORK,
    describe:
      "How long a host may be silent before its connection is given up and tried again; a first layer four times as long [default: 30]",
  },
  {
    name: "timeout",
    value: "SECONDS",
    group: NETWORK,
    describe: "Give up what has not ended by then, with ERR_TIMEOUT [default: as long as it takes]",
  },
  {
    name: "cpus",
    value: "N",
    group: RESOURCES,
    describe:
      "CPUs for unpacking; rounded up, at most those of the machine. A large layer may have one more thread [default: 2.0]",
  },
  {
    name: "memory",
    value: "MB",
    group: RESOURCES,
    describe:
      "Memory that the import may take, in MiB, at least 256; one that takes more is given up [default: 4096]",
  },
  {
    name: "builder_disk_mb",
    value: "MB",
    group: RESOURCES,
    describe:
      "What all layers together may unpack to while they are imported, in MiB [default: no limit]",
  },
];

export const LIMIT_OPTION: OptionSpec = {
  name: "limit",
  value: "NAME=VALUE",
  repeatable: true,
  group: SAFETY,
  describe: "Move a ceiling that guards against hostile images, see below; repeatable",
};

export const PROGRESS_OPTIONS: readonly OptionSpec[] = [
  {
    name: "quiet",
    group: OUTPUT,
    describe: "Print nothing on stderr but warnings and errors",
  },
  {
    name: "verbose",
    group: OUTPUT,
    describe:
      "Print a line for every request and every step of every layer instead of the live view",
  },
  {
    name: "log-format",
    value: "FORMAT",
    group: OUTPUT,
    describe:
      "text, or json: each line of stderr is a JSON object with time, level, event and message [default: text]",
  },
];

export const TRACE_OPTION: OptionSpec = {
  name: "trace",
  value: "FILE",
  group: OUTPUT,
  describe:
    "Write a trace of all stages there, for ui.perfetto.dev or chrome://tracing; also when it fails; overwrites",
};

export const LIMITS_SECTION: NonNullable<Command["sections"]>[number] = {
  heading: "Limits (names and defaults for --limit)",
  lines: [limitList()],
};

/** @throws UsageError */
export function pullOptions(args: ParsedArguments): PullSandboxImageOptions {
  return {
    ...given("cpus", positiveNumber(args, "cpus")),
    ...given("memoryMb", positiveInteger(args, "memory", LEAST_MEMORY_MB)),
    ...given("builderDiskMb", positiveInteger(args, "builder_disk_mb")),
    ...given("platform", nonEmptyText(args, "platform")),
    ...given("concurrency", positiveInteger(args, "concurrency")),
    ...given("retries", positiveInteger(args, "retries", 0)),
    ...given("stallTimeoutSecs", seconds(args, "stall-timeout")),
    ...given("timeoutSecs", seconds(args, "timeout")),
    ...given("trace", nonEmptyText(args, "trace")),
    plainHttp: flag(args, "plain-http"),
    insecure: flag(args, "insecure"),
    ranges: !flag(args, "no-ranges"),
    ...mirrorOptions(args),
    limits: limits(args),
  };
}

/** @throws UsageError */
function seconds(args: ParsedArguments, name: string): number | undefined {
  const value = positiveNumber(args, name);
  if (value === undefined || value <= MOST_SECONDS) return value;
  throw invalid(args, name, String(value), `it must be ${MOST_SECONDS} (a week) or less`);
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
