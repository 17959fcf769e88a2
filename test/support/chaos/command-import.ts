import { resolve } from "node:path";
import {
  deserializeError,
  type SandboxTemplate,
  type SerializedError,
} from "../../../src/index.ts";
import { runProgram } from "../run-program.ts";
import type { ImportRun } from "./chaos-import.ts";
import type { ChaosOrigin } from "./chaos-origin.ts";
import { CACHE_SIZE, DISK_MB, referenceOf, type ChaosPlan } from "./chaos-plan.ts";

const COMMAND = resolve(import.meta.dirname, "../../../bin/tl.js");
const RETRIES = 3;
const STALL_SECONDS = 2;

/** The same with the built `tl`. @throws ImportError as it was printed; Error when it ended otherwise */
export async function importByCommand(
  plan: ChaosPlan,
  { host, mirrorUrl, env }: ChaosOrigin,
  { place, signal }: Pick<ImportRun, "place" | "signal">,
): Promise<SandboxTemplate> {
  const settings = [
    ["--registered-name", place.name],
    ["--format", plan.format],
    ["--platform", plan.image.platform],
    ["--disk_mb", String(DISK_MB)],
    ["--cpus", "1"],
    ["--retries", String(RETRIES)],
    ["--stall-timeout", String(STALL_SECONDS)],
    ["--blob-cache", plan.blobCache ? CACHE_SIZE : "off"],
    ...(plan.hasOutput ? [["--output", `${place.outputFolder}/rootfs`]] : []),
    ...(mirrorUrl === undefined ? [] : [["--mirror", `${host}=${mirrorUrl}`]]),
  ].flat();
  const flags = [
    "--json",
    "--no-fsync",
    ...(plan.ranges ? [] : ["--no-ranges"]),
    ...(process.getuid?.() === 0 ? [] : ["--no-same-owner"]),
  ];
  const args = [COMMAND, "sbx", "image", "import", referenceOf(plan, host), ...settings, ...flags];
  const { exitCode, stdout, stderr } = await runProgram(process.execPath, args, {
    env: { ...CLEAN_ENVIRONMENT, ROOTLIFT_HOME: place.home, ...env },
    signal,
  });
  if (exitCode === 0) {
    const record: SandboxTemplate = JSON.parse(stdout);
    return record;
  }
  const printed = errorOf(stderr);
  if (exitCode === 1 && stdout === "" && printed !== undefined) throw deserializeError(printed);
  throw new Error(`tl ended with ${exitCode}: ${stdout}${stderr}`);
}

/** What whoever runs this has for his own registries. */
const CLEAN_ENVIRONMENT = {
  ROOTLIFT_USERNAME: undefined,
  ROOTLIFT_PASSWORD: undefined,
  HTTPS_PROXY: undefined,
  https_proxy: undefined,
  ALL_PROXY: undefined,
  DOCKER_CONFIG: undefined,
};

/** The last line with `--json`. */
function errorOf(stderr: string): SerializedError | undefined {
  const last = stderr.trimEnd().split("\n").at(-1) ?? "";
  try {
    const { error }: { error: SerializedError } = JSON.parse(last);
    return error.code.startsWith("ERR_") ? error : undefined;
  } catch {
    return undefined;
  }
}
