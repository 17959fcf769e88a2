import { availableParallelism } from "node:os";
import { resolve } from "node:path";
import { ImportError } from "../errors.ts";
import type { ImportRequest } from "../import-image.ts";
import type { PullRequest } from "../pull-image.ts";
import { DEFAULT_LIMITS, type Limits } from "../limits.ts";
import { deriveImageName } from "../oci/image-name.ts";
import { hostPlatform, parsePlatform } from "../oci/parse-platform.ts";
import type { Patience } from "../registry/request-timing.ts";
import type { OpenSourceOptions, WantedPlatform } from "../source/image-source.ts";
import { blobCacheBytes } from "./blob-cache-setting.ts";
import { mirrorSettings } from "./mirror-settings.ts";
import { outputFormat } from "./output-format.ts";
import type {
  ImageFormat,
  ImportSandboxImageOptions,
  PullSandboxImageOptions,
} from "./public-types.ts";
import { requireText } from "./require-text.ts";
import { projectOf, type Environment } from "./store-settings.ts";
import { VERSION } from "./version.ts";

const MIB = 2 ** 20;
/** Ordinary images take up to 150 MiB: workers, buffers, and the memory that is not collected yet. */
const LEAST_MEMORY_MB = 256;
const DEFAULT_CPUS = 2;
const DEFAULT_MEMORY_MB = 4096;
const DEFAULT_DISK_MB = 10_240;
/** ext4 with 4 KiB blocks: 16 TiB. */
const MOST_DISK_MB = 16 * 2 ** 20;
const FORMATS: readonly ImageFormat[] = ["ext4", "erofs", "dir", "tar"];
const DEFAULT_FORMAT: ImageFormat = "ext4";
const DEFAULT_CONCURRENCY = 8;
const MOST_CONNECTIONS = 64;
/** Timers of Node end at 24 days. */
const MOST_SECONDS = 604_800;

/** What is known only when it begins. */
type Running = "source" | "store" | "toolVersion" | "signal" | "emit" | "recordTiming";

/** A pull's options with every default filled in and every number checked. */
export interface PullSettings extends Omit<PullRequest, Running> {
  /** For all of it; undefined: as long as it takes. */
  readonly timeoutMs: number | undefined;
  readonly source: Omit<OpenSourceOptions, "onRetry">;
}

/** The same of an import. */
export interface ImportSettings extends Omit<ImportRequest, Running> {
  readonly timeoutMs: number | undefined;
  readonly dockerCompat: boolean;
  /** undefined: no blob cache. */
  readonly blobCacheBytes: number | undefined;
  readonly source: Omit<OpenSourceOptions, "onRetry">;
}

/** @throws ImportError ERR_OPTION_INVALID, ERR_CONFIG_INVALID (platform), ERR_REFERENCE_INVALID, ERR_NAME_INVALID */
export function importSettings(
  reference: string,
  options: ImportSandboxImageOptions,
  env: Environment,
): ImportSettings {
  const pull = pullSettings(reference, options, env);
  for (const name of ["registeredName", "output", "project", "home"] as const) {
    if (options[name] !== undefined) requireText(name, options[name]);
  }
  const diskMb = wholeNumber("diskMb", options.diskMb ?? DEFAULT_DISK_MB);
  if (diskMb > MOST_DISK_MB) throw invalid("diskMb", diskMb, `at most ${MOST_DISK_MB} (16 TiB)`);
  return {
    ...pull,
    name: imageName(reference, options.registeredName),
    project: projectOf(options, env),
    public: options.isPublic ?? false,
    replace: options.replace ?? false,
    outputPath: outputPath(options.output),
    format: outputFormat(imageFormat(options.format), {
      diskBytes: diskMb * MIB,
      sameOwner: options.sameOwner ?? true,
      epochSeconds: sourceDateEpoch(env),
    }),
    fsync: options.fsync ?? true,
    diskMb,
    dockerCompat: options.dockerCompat ?? false,
    blobCacheBytes: blobCacheBytes(options.blobCache, env),
  };
}

/** @throws ImportError ERR_OPTION_INVALID, ERR_CONFIG_INVALID (platform) */
export function pullSettings(
  reference: string,
  options: PullSandboxImageOptions,
  env: Environment,
): PullSettings {
  requireText("the image reference", reference);
  for (const name of ["platform", "trace"] as const) {
    if (options[name] !== undefined) requireText(name, options[name]);
  }
  const wanted = wholeNumber("concurrency", options.concurrency ?? DEFAULT_CONCURRENCY);
  const concurrency = Math.min(wanted, MOST_CONNECTIONS);
  const limits = mergeLimits(options.limits ?? {});
  const { builderDiskMb, timeoutSecs } = options;
  return {
    timeoutMs: timeoutSecs === undefined ? undefined : milliseconds("timeoutSecs", timeoutSecs),
    platform: wantedPlatform(options.platform),
    workers: workersFor(options.cpus ?? DEFAULT_CPUS),
    memoryBytes: memoryBytes(options.memoryMb ?? DEFAULT_MEMORY_MB),
    concurrency,
    stagingBytes:
      builderDiskMb === undefined ? undefined : wholeNumber("builderDiskMb", builderDiskMb) * MIB,
    limits,
    source: {
      env,
      limits,
      concurrency,
      ranges: options.ranges ?? true,
      plainHttp: options.plainHttp ?? false,
      insecure: options.insecure ?? false,
      mirrors: mirrorSettings(options, env),
      patience: patience(options),
      userAgent: `rootlift/${VERSION}`,
    },
  };
}

function patience({ retries, stallTimeoutSecs }: PullSandboxImageOptions): Patience {
  if (retries !== undefined && !(Number.isSafeInteger(retries) && retries >= 0)) {
    throw invalid("retries", retries, "a whole number, 0 or more");
  }
  return {
    ...(retries === undefined ? {} : { retries }),
    ...(stallTimeoutSecs === undefined
      ? {}
      : { stallMs: milliseconds("stallTimeoutSecs", stallTimeoutSecs) }),
  };
}

function milliseconds(what: string, seconds: number): number {
  if (seconds > 0 && seconds <= MOST_SECONDS) return Math.ceil(seconds * 1000);
  throw invalid(what, seconds, `a number of seconds above 0, and at most ${MOST_SECONDS} (a week)`);
}

function imageName(reference: string, registeredName: string | undefined): string {
  const derived = deriveImageName(reference);
  if (registeredName === undefined) return derived;
  if (registeredName.trim() !== "") return registeredName;
  throw new ImportError("ERR_NAME_INVALID", "the name to register the image under is empty", {
    hint: "Leave the name out to have it derived from the reference.",
  });
}

function wantedPlatform(text: string | undefined): WantedPlatform {
  return text === undefined
    ? { platform: hostPlatform(), explicit: false }
    : { platform: parsePlatform(text), explicit: true };
}

function outputPath(output: string | undefined): string | undefined {
  if (output === "") throw invalid("output", output, "a path");
  return output === undefined ? undefined : resolve(output);
}

function imageFormat(format: string = DEFAULT_FORMAT): ImageFormat {
  const known = FORMATS.find((name) => name === format);
  if (known !== undefined) return known;
  throw invalid("format", format, `one of ${FORMATS.join(", ")}`);
}

/** The time of everything that no layer names (reproducible-builds.org, SOURCE_DATE_EPOCH). */
function sourceDateEpoch(env: Environment): number | undefined {
  const text = env["SOURCE_DATE_EPOCH"];
  if (text === undefined || text === "") return undefined;
  const seconds = Number(text);
  // e2fsck complains about a file system that was written in the future.
  if (/^\d+$/.test(text) && seconds * 1000 <= Date.now()) return seconds;
  throw invalid("SOURCE_DATE_EPOCH", text, "a whole number of seconds, and not in the future");
}

function memoryBytes(memoryMb: number): number {
  if (wholeNumber("memoryMb", memoryMb) >= LEAST_MEMORY_MB) return memoryMb * MIB;
  throw invalid("memoryMb", memoryMb, `at least ${LEAST_MEMORY_MB}`);
}

function workersFor(cpus: number): number {
  if (!Number.isFinite(cpus) || cpus <= 0) throw invalid("cpus", cpus, "a number above 0");
  return Math.max(1, Math.min(Math.ceil(cpus), availableParallelism()));
}

function mergeLimits(changes: Partial<Limits>): Limits {
  for (const [name, value] of Object.entries(changes)) {
    if (!Object.hasOwn(DEFAULT_LIMITS, name)) {
      const known = Object.keys(DEFAULT_LIMITS).join(", ");
      throw new ImportError("ERR_OPTION_INVALID", `there is no limit "${name}"`, {
        hint: `The limits are ${known}.`,
      });
    }
    wholeNumber(`limit ${name}`, value);
  }
  return { ...DEFAULT_LIMITS, ...changes };
}

/** @throws ImportError ERR_OPTION_INVALID */
export function wholeNumber(what: string, value: number): number {
  if (Number.isSafeInteger(value) && value > 0) return value;
  throw invalid(what, value, "a whole number above 0");
}

function invalid(what: string, value: string | number, wanted: string): ImportError {
  return new ImportError("ERR_OPTION_INVALID", `${what} is ${String(value)}, it must be ${wanted}`);
}
