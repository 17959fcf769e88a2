import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import type { ImageFormat } from "../../../src/index.ts";

export const TIMEOUT_MS = 30_000;
const COMMAND = resolve(import.meta.dirname, "../../../bin/tl.js");
const LIBRARY = new URL("../../../dist/index.js", import.meta.url).href;

/** What differs between the imports of one case. */
export interface CaseImport {
  readonly format: ImageFormat;
  /** Default: that of the command. */
  readonly diskMb?: number;
}

export interface ToolRun {
  /** Null when a signal ended it. */
  readonly exitCode: number | null;
  readonly signal: string | null;
  readonly stderr: string;
  readonly timedOut: boolean;
  /** 0: not measured. */
  readonly peakRssMib: number;
}

/** Imports the image `case` of `WORK/layout` to a path. */
export type ImportCase = (
  work: string,
  outputPath: string,
  options: CaseImport,
) => Promise<ToolRun>;

/** With the built command line, as a user does: a process with a limit of time, whose memory is watched. */
export function importWithCommand(
  work: string,
  outputPath: string,
  options: CaseImport,
): Promise<ToolRun> {
  return runImport(importCommand(work, outputPath, options), { work });
}

/** The words of that command line. */
export function importCommand(
  work: string,
  outputPath: string,
  { format, diskMb }: CaseImport,
): readonly string[] {
  const reference = `oci:${join(work, "layout")}:case`;
  const disk = diskMb === undefined ? [] : ["--disk_mb", String(diskMb)];
  const options = ["--no-fsync", "--format", format, ...disk, "--output", outputPath];
  return [process.execPath, COMMAND, "sbx", "image", "import", reference, ...options];
}

/** @param timeoutMs default 30 s */
export function runImport(
  [program = "", ...args]: readonly string[],
  {
    work,
    env,
    timeoutMs = TIMEOUT_MS,
  }: { readonly work: string; readonly env?: NodeJS.ProcessEnv; readonly timeoutMs?: number },
): Promise<ToolRun> {
  const child = spawn(program, args, {
    stdio: ["ignore", "ignore", "pipe"],
    env: { ...process.env, ROOTLIFT_HOME: join(work, "home"), ...env },
  });
  return new Promise((settle, reject) => {
    let stderr = "";
    let timedOut = false;
    let peakRssMib = 0;
    const sample = setInterval(() => {
      peakRssMib = Math.max(peakRssMib, highWaterMib(child.pid));
    }, 20);
    // Checking another case may have blocked this process for longer: an exit that waits to be heard is heard first.
    const killIfRunning = (): void => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      timedOut = true;
      child.kill("SIGKILL");
    };
    const timeout = setTimeout(() => setImmediate(killIfRunning), timeoutMs);
    child.stderr.setEncoding("utf8").on("data", (chunk: string) => {
      stderr = (stderr + chunk).slice(-20_000);
    });
    const stop = (): void => {
      clearInterval(sample);
      clearTimeout(timeout);
    };
    child.on("error", (error) => {
      stop();
      reject(error);
    });
    child.on("close", (exitCode, signal) => {
      stop();
      settle({ exitCode, signal, stderr, timedOut, peakRssMib });
    });
  });
}

/** With the built library in this process: a quarter of the time, and no measure of memory. */
export async function importInProcess(
  work: string,
  outputPath: string,
  options: CaseImport,
): Promise<ToolRun> {
  const run = { signal: null, timedOut: false, peakRssMib: 0 };
  const library: typeof import("../../../src/index.ts") = await import(LIBRARY);
  try {
    await library.importSandboxImage(`oci:${join(work, "layout")}:case`, {
      ...options,
      output: outputPath,
      home: join(work, "home"),
      fsync: false,
      cpus: 1,
      // Of a case that is imported once as each format.
      replace: true,
    });
    return { ...run, exitCode: 0, stderr: "" };
  } catch (error) {
    if (!(error instanceof library.ImportError)) throw error;
    return { ...run, exitCode: 1, stderr: `${error.message} [${error.code}]` };
  }
}

/** The kernel's own high-water mark, so that sampling misses no peak but the very last. */
function highWaterMib(pid: number | undefined): number {
  try {
    const status = readFileSync(`/proc/${pid}/status`, "utf8");
    return Number(/^VmHWM:\s*(\d+) kB/m.exec(status)?.[1] ?? 0) / 1024;
  } catch {
    return 0;
  }
}
