import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Contestant } from "./contestants.ts";

/** One run of one contestant: the whole command with all its children, as GNU time saw it. */
export interface Timing {
  readonly wallSeconds: number;
  readonly cpuSeconds: number;
  /** Of its largest process. */
  readonly peakRssBytes: number;
  readonly error?: string;
}

/** Runs it once, with cold storage: in a new directory below `workPath`, which is removed afterwards. */
export async function timeContestant(contestant: Contestant, workPath: string): Promise<Timing> {
  const work = mkdtempSync(join(workPath, "bench-"));
  const env = { ...process.env, W: work };
  const daemon = await startDaemon(contestant, env);
  try {
    const report = join(work, "time");
    const words = ["-f", "%e %U %S %M", "-o", report, "sh", "-c", contestant.script];
    const run = spawnSync("/usr/bin/time", words, { env, stdio: ["ignore", "ignore", "pipe"] });
    const [wall = 0, user = 0, system = 0, peakKib = 0] = lastLine(report).split(" ").map(Number);
    const timing = {
      wallSeconds: wall,
      cpuSeconds: user + system,
      peakRssBytes: peakKib * 1024,
    };
    if (run.status === 0) return timing;
    return { ...timing, error: run.stderr.toString().trim().slice(-300) || `exit ${run.status}` };
  } finally {
    await stopDaemon(daemon);
    rmSync(work, { recursive: true, force: true });
  }
}

function lastLine(path: string): string {
  return existsSync(path) ? (readFileSync(path, "utf8").trim().split("\n").at(-1) ?? "") : "";
}

async function startDaemon(
  { setUp }: Contestant,
  env: NodeJS.ProcessEnv,
): Promise<ChildProcess | undefined> {
  if (setUp === undefined) return undefined;
  const [program = "", ...args] = setUp;
  const child = spawn(program, args, { env, stdio: "ignore" });
  await sleep(2000);
  return child;
}

async function stopDaemon(child: ChildProcess | undefined): Promise<void> {
  if (child === undefined || child.exitCode !== null) return;
  const closed = new Promise((settle) => {
    child.on("close", settle);
  });
  child.kill("SIGTERM");
  await closed;
}
