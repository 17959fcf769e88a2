import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { measureScript, type Measurement } from "./measure-script.ts";
import { processTree } from "./proc-files.ts";

/** What is run once, in an empty directory `$W`. */
export interface Runnable {
  readonly script: string;
  /** A program that works for the script, begun before the clock: its words, and the file that it makes when it is ready. */
  readonly daemon?: { readonly words: readonly string[]; readonly readyFile: string };
}

const READY_WITHIN_MS = 20_000;

/** Runs it once with cold storage: in a new directory below `workPath`, which is removed afterwards. */
export async function measureContestant(
  { script, daemon }: Runnable,
  workPath: string,
  options: { readonly keepOutput?: boolean } = {},
): Promise<Measurement> {
  const work = mkdtempSync(join(workPath, "bench-"));
  const stopWaiting = removeWhenInterrupted(work);
  const env = { ...process.env, W: work };
  // What the last run left to be written must not be this one's load.
  spawnSync("sync", ["-f", workPath]);
  const child = daemon === undefined ? undefined : await startDaemon(daemon, env, work);
  try {
    return await measureScript({ script, env, daemonPid: child?.pid, ...options });
  } finally {
    await stopDaemon(child);
    stopWaiting();
    rmSync(work, { recursive: true, force: true });
  }
}

/** What a run leaves on a tmpfs is memory. @returns what ends the waiting */
function removeWhenInterrupted(work: string): () => void {
  const remove = (signal: NodeJS.Signals): void => {
    for (const pid of processTree(process.pid)) if (pid !== process.pid) stop(pid);
    // They may have mounted something there.
    spawnSync("sleep", ["1"]);
    spawnSync("rm", ["-rf", "--one-file-system", "--", work], { stdio: "ignore" });
    process.kill(process.pid, signal);
  };
  process.once("SIGINT", remove).once("SIGTERM", remove);
  return () => {
    process.off("SIGINT", remove).off("SIGTERM", remove);
  };
}

function stop(pid: number): void {
  try {
    process.kill(pid, "SIGTERM");
  } catch {
    // It ended by itself.
  }
}

async function startDaemon(
  { words, readyFile }: NonNullable<Runnable["daemon"]>,
  env: NodeJS.ProcessEnv,
  work: string,
): Promise<ChildProcess> {
  const [program = "", ...args] = words;
  const child = spawn(program, args, { env, stdio: "ignore" });
  for (let waited = 0; !existsSync(join(work, readyFile)); waited += 20) {
    if (child.exitCode !== null || waited > READY_WITHIN_MS) {
      child.kill("SIGKILL");
      throw new Error(`${words.join(" ")} is not ready after ${waited / 1000} s`);
    }
    await sleep(20);
  }
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
