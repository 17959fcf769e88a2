import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import type { Readable, Writable } from "node:stream";
import { text } from "node:stream/consumers";
import { watchMemory } from "./memory-watch.ts";
import { readCounters, type ProcessCounters } from "./proc-files.ts";

/** One run of one shell script: the whole tree of its processes, and a daemon that works for it. */
export interface Measurement {
  readonly wallSeconds: number;
  readonly cpuSeconds: number;
  /** Of all processes together at the same moment (`PeakMemory.treeBytes`). */
  readonly peakRssBytes: number;
  /** Of the largest process. */
  readonly largestProcessBytes: number;
  /** Given to write calls. */
  readonly writtenBytes: number;
  /** Made dirty on a block device; 0 on a tmpfs. */
  readonly storageBytes: number;
  /** What it printed on stdout, when asked to keep it. */
  readonly output?: string;
  /** The end of its stderr, when it failed. */
  readonly error?: string;
}

export interface ScriptToMeasure {
  readonly script: string;
  readonly env?: NodeJS.ProcessEnv;
  /** A daemon that runs before and after, and works for the script meanwhile. */
  readonly daemonPid?: number | undefined;
  readonly keepOutput?: boolean;
}

/**
 * The shell waits for a line when its script is done: it has waited for its children, so that the kernel has added what
 * they used to what it counts for the shell, and it still can be asked.
 */
const WRAPPER = '(eval "$SCRIPT") 3>&- 4<&-; echo $? >&3; read -r _ <&4';

/** @throws Error only when the shell itself cannot be run: a script that fails is a measurement with an `error` */
export async function measureScript(toMeasure: ScriptToMeasure): Promise<Measurement> {
  const { script, env = process.env, daemonPid, keepOutput = false } = toMeasure;
  const before = daemonPid === undefined ? undefined : readCounters(daemonPid);
  const begun = performance.now();
  const shell = spawn("sh", ["-c", WRAPPER], {
    env: { ...env, SCRIPT: script },
    stdio: ["ignore", keepOutput ? "pipe" : "ignore", "pipe", "pipe", "pipe"],
  });
  const { pid } = shell;
  if (pid === undefined) throw new Error("sh cannot be run");
  const memory = watchMemory([pid, ...(daemonPid === undefined ? [] : [daemonPid])]);
  const closed = once(shell, "close");
  const stderr = shell.stderr === null ? "" : text(shell.stderr);
  const stdout = shell.stdout === null ? "" : text(shell.stdout);
  const [report, answer] = controlPipes(shell);
  const [line] = await Promise.race([once(report, "data"), closed]);
  const wallSeconds = (performance.now() - begun) / 1000;
  const exitCode = Number(String(line).trim());
  const peak = memory.stop();
  const used = sum(
    readCounters(pid),
    daemonPid === undefined ? undefined : readCounters(daemonPid),
  );
  answer.end("\n");
  await closed;
  return {
    wallSeconds,
    cpuSeconds: used.cpuSeconds - (before?.cpuSeconds ?? 0),
    peakRssBytes: peak.treeBytes,
    largestProcessBytes: peak.largestBytes,
    writtenBytes: used.writtenBytes - (before?.writtenBytes ?? 0),
    storageBytes: used.storageBytes - (before?.storageBytes ?? 0),
    ...(keepOutput ? { output: await stdout } : {}),
    ...(exitCode === 0 ? {} : { error: (await stderr).trim().slice(-300) || `exit ${exitCode}` }),
  };
}

function controlPipes(shell: ChildProcess): readonly [Readable, Writable] {
  const [, , , report, answer] = shell.stdio;
  if (report === undefined || report === null || !("read" in report)) throw new Error("no pipe");
  if (answer === undefined || answer === null || !("write" in answer)) throw new Error("no pipe");
  // A shell that was killed reads no answer.
  answer.on("error", () => undefined);
  return [report, answer];
}

function sum(one: ProcessCounters, other: ProcessCounters | undefined): ProcessCounters {
  return {
    cpuSeconds: one.cpuSeconds + (other?.cpuSeconds ?? 0),
    writtenBytes: one.writtenBytes + (other?.writtenBytes ?? 0),
    storageBytes: one.storageBytes + (other?.storageBytes ?? 0),
  };
}
