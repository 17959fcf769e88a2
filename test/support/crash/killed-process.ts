import { spawn } from "node:child_process";
import { existsSync, watch, type FSWatcher } from "node:fs";
import { join, resolve } from "node:path";
import type { Aim } from "./aim.ts";

const COMMAND = resolve(import.meta.dirname, "../../../bin/tl.js");
/** As elsewhere in the tests: compiling costs more than most commands do. */
const COMPILE_CACHE = resolve(import.meta.dirname, "../../../node_modules/.cache/rootlift-tests");

export interface KilledProcess {
  /** Else it had ended before. */
  readonly killed: boolean;
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly durationMs: number;
  /** How often something in the store's directories changed. */
  readonly changes: number;
  /** Which of the awaited lines were printed, and when: ms after the start. */
  readonly lines: readonly (readonly [RegExp, number])[];
}

export interface KillOptions {
  readonly home: string;
  /** Undefined: it is left alone. */
  readonly aim: Aim | undefined;
  readonly lines?: readonly RegExp[];
}

/** Runs `tl ARGS…` on a store and kills it (SIGKILL, the whole process) at the given moment, if it is still there then. */
export async function runAndKill(
  args: readonly string[],
  { home, aim, lines = [] }: KillOptions,
): Promise<KilledProcess> {
  const startedMs = performance.now();
  const child = spawn(process.execPath, [COMMAND, ...args], {
    stdio: ["ignore", "pipe", "pipe"],
    env: {
      PATH: process.env["PATH"],
      HOME: home,
      ROOTLIFT_HOME: home,
      NODE_COMPILE_CACHE: COMPILE_CACHE,
    },
  });
  const text = { stdout: "", stderr: "" };
  const seen = new Map<RegExp, number>();
  let changes = 0;
  let aimed = false;
  const shoot = (afterMs: number): void => {
    if (aimed) return;
    aimed = true;
    killAt(performance.now() + afterMs, () => child.kill("SIGKILL"));
  };
  const watchers = watchStore(aim === undefined ? undefined : home, () => {
    changes += 1;
    if (aim?.by === "change" && changes === aim.number) shoot(aim.afterMs);
  });
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => (text.stdout += chunk));
  child.stderr.setEncoding("utf8").on("data", (chunk: string) => {
    text.stderr += chunk;
    for (const line of lines) {
      if (seen.has(line) || !line.test(text.stderr)) continue;
      seen.set(line, performance.now() - startedMs);
      if (aim?.by === "line" && aim.line === line) shoot(aim.afterMs);
    }
  });
  if (aim?.by === "time") shoot(aim.afterMs);
  try {
    await new Promise<void>((settle, reject) => {
      child.once("error", reject);
      child.once("close", () => settle());
    });
  } finally {
    for (const watcher of watchers) watcher.close();
  }
  return {
    ...text,
    killed: child.signalCode === "SIGKILL",
    exitCode: child.exitCode,
    durationMs: performance.now() - startedMs,
    changes,
    lines: [...seen],
  };
}

function watchStore(home: string | undefined, onChange: () => void): readonly FSWatcher[] {
  if (home === undefined) return [];
  return [home, join(home, "ingest"), join(home, "snapshots")]
    .filter((path) => existsSync(path))
    .map((path) => watch(path, onChange).on("error", () => undefined));
}

/** Timers are good to a millisecond; the rest is waited out. */
function killAt(atMs: number, kill: () => void): void {
  const waitMs = atMs - performance.now();
  if (waitMs > 1.5) {
    setTimeout(() => killAt(atMs, kill), waitMs - 1);
    return;
  }
  while (performance.now() < atMs);
  kill();
}
