import { availableParallelism } from "node:os";
import { resolve } from "node:path";
import { ImportError } from "../errors.ts";
import type { ImportRequest } from "../import-image.ts";
import { DEFAULT_LIMITS, type Limits } from "../limits.ts";
import { deriveImageName } from "../oci/image-name.ts";
import { hostPlatform, parsePlatform } from "../oci/parse-platform.ts";
import type { OpenSourceOptions, WantedPlatform } from "../source/image-source.ts";
import type { ImportSandboxImageOptions } from "./public-types.ts";
import { projectOf, type Environment } from "./store-settings.ts";
import { VERSION } from "./version.ts";

const MIB = 2 ** 20;
/** Below this Node itself and its workers leave no room for buffers. */
const LEAST_MEMORY_MB = 256;
const DEFAULT_CPUS = 2;
const DEFAULT_MEMORY_MB = 4096;
const DEFAULT_DISK_MB = 10_240;
const DEFAULT_CONCURRENCY = 8;
const MOST_CONNECTIONS = 64;

/** An import's options with every default filled in and every number checked. */
export interface ImportSettings extends Omit<
  ImportRequest,
  "source" | "store" | "toolVersion" | "signal" | "emit"
> {
  readonly dockerCompat: boolean;
  readonly source: Omit<OpenSourceOptions, "onRetry">;
}

/** @throws ImportError ERR_OPTION_INVALID, ERR_CONFIG_INVALID (platform), ERR_REFERENCE_INVALID, ERR_NAME_INVALID */
export function importSettings(
  reference: string,
  options: ImportSandboxImageOptions,
  env: Environment,
): ImportSettings {
  const wanted = wholeNumber("concurrency", options.concurrency ?? DEFAULT_CONCURRENCY);
  const concurrency = Math.min(wanted, MOST_CONNECTIONS);
  const limits = mergeLimits(options.limits ?? {});
  checkFormat(options.format);
  checkMemory(options.memoryMb ?? DEFAULT_MEMORY_MB);
  const { builderDiskMb } = options;
  return {
    name: imageName(reference, options.registeredName),
    project: projectOf(options, env),
    public: options.isPublic ?? false,
    replace: options.replace ?? false,
    platform: wantedPlatform(options.platform),
    outputPath: outputPath(options.output),
    sameOwner: options.sameOwner ?? true,
    fsync: options.fsync ?? true,
    workers: workersFor(options.cpus ?? DEFAULT_CPUS),
    concurrency,
    diskMb: wholeNumber("diskMb", options.diskMb ?? DEFAULT_DISK_MB),
    stagingBytes:
      builderDiskMb === undefined ? undefined : wholeNumber("builderDiskMb", builderDiskMb) * MIB,
    limits,
    dockerCompat: options.dockerCompat ?? false,
    source: {
      env,
      limits,
      concurrency,
      plainHttp: options.plainHttp ?? false,
      insecure: options.insecure ?? false,
      userAgent: `rootlift/${VERSION}`,
    },
  };
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

function checkFormat(format: string | undefined): void {
  if (format === undefined || format === "dir") return;
  throw invalid("format", format, '"dir"');
}

function checkMemory(memoryMb: number): void {
  if (wholeNumber("memoryMb", memoryMb) >= LEAST_MEMORY_MB) return;
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

function wholeNumber(what: string, value: number): number {
  if (Number.isSafeInteger(value) && value > 0) return value;
  throw invalid(what, value, "a whole number above 0");
}

function invalid(what: string, value: string | number, wanted: string): ImportError {
  return new ImportError("ERR_OPTION_INVALID", `${what} is ${String(value)}, it must be ${wanted}`);
}
