import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { text } from "node:stream/consumers";

export interface MeasuredRun {
  /** Null when a signal ended it. */
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly wallSeconds: number;
  /** Of all its threads. */
  readonly processorSeconds: number;
  /** The most memory that was resident at once, all threads together. */
  readonly peakRssBytes: number;
}

const LOOK_MS = 20;

/** Runs `node ARGS…` to its end, and looks at the kernel's high-water mark of it meanwhile. */
export async function measuredRun(
  args: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<MeasuredRun> {
  const startedMs = performance.now();
  const child = spawn(process.execPath, args, {
    stdio: ["ignore", "pipe", "pipe"],
    env: { PATH: process.env["PATH"], ...env },
  });
  let [peakRssBytes, processorSeconds] = [0, 0];
  const look = (): void => {
    peakRssBytes = Math.max(peakRssBytes, highWaterOf(child.pid));
    processorSeconds = Math.max(processorSeconds, processorSecondsOf(child.pid));
  };
  const timer = setInterval(look, LOOK_MS);
  const ended = new Promise<{ exitCode: number | null; signal: NodeJS.Signals | null }>(
    (settle, reject) => {
      child.once("error", reject);
      child.once("close", (exitCode, signal) => settle({ exitCode, signal }));
    },
  );
  try {
    const [stdout, stderr, end] = await Promise.all([
      text(child.stdout),
      text(child.stderr),
      ended,
    ]);
    const wallSeconds = (performance.now() - startedMs) / 1000;
    return { ...end, stdout, stderr, wallSeconds, processorSeconds, peakRssBytes };
  } finally {
    clearInterval(timer);
  }
}

/** `VmHWM` of proc_pid_status(5); 0 for a process that has none any more. */
function highWaterOf(pid: number | undefined): number {
  try {
    const status = readFileSync(`/proc/${pid}/status`, "latin1");
    return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) * 1024;
  } catch {
    return 0;
  }
}

/** `utime` and `stime` of proc_pid_stat(5), in hundredths; 0 for a process that is gone. */
function processorSecondsOf(pid: number | undefined): number {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, "latin1").split(") ").at(-1)?.split(" ") ?? [];
    return (Number(fields[11]) + Number(fields[12])) / 100;
  } catch {
    return 0;
  }
}
