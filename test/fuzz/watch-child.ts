import { fork, type ChildProcess } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { ChildMessage, ChildTask, Progress } from "./child-messages.ts";
import type { Finding } from "./findings.ts";
import { readRunningInput } from "./running-input.ts";

const CHILD = join(import.meta.dirname, "fuzz-child.ts");
const LOOK_MS = 500;
/** `sysconf(_SC_CLK_TCK)` on every Linux. */
const TICKS_A_SECOND = 100;
const PAGE_BYTES = 4096;

export interface WatchLimits {
  /** Processor time for one execution; the slowest honest ones take a hundredth of the default. */
  readonly cpuSeconds: number;
  /** An execution that waits for what never comes sleeps; on a busy machine it may be long awake without a processor. */
  readonly sleepSeconds: number;
  /** What V8 may have for objects. */
  readonly heapMib: number;
  /** All of the process. */
  readonly rssMib: number;
}

export const WATCH_LIMITS: WatchLimits = {
  cpuSeconds: 5,
  sleepSeconds: 120,
  heapMib: 512,
  rssMib: 700,
};

export interface ChildEvents {
  /** Ends the process before its time. */
  readonly signal: AbortSignal;
  readonly limits: WatchLimits;
  readonly onProgress: (progress: Progress) => void;
  readonly onFinding: (finding: Finding) => void;
}

/** How a process ended before its time was over. */
type Ending = { readonly kind: "hang" | "memory" | "crash"; readonly message: string } | undefined;

/**
 * Runs a target in a process of its own and watches it: an execution that does not end, memory that grows and a process
 * that dies are findings.
 * @returns the number of the first execution that was not run, or undefined when its time was over
 */
export async function watchChild(
  task: ChildTask,
  { limits, signal, onProgress, onFinding }: ChildEvents,
): Promise<number | undefined> {
  const child = fork(CHILD, [JSON.stringify(task)], {
    execArgv: [`--max-old-space-size=${limits.heapMib}`],
    stdio: ["ignore", "ignore", "pipe", "ipc"],
  });
  let stderr = "";
  child.stderr?.on("data", (chunk) => (stderr = (stderr + String(chunk)).slice(-8000)));
  let isDone = false;
  child.on("message", (message: ChildMessage) => {
    if (message.kind === "progress") onProgress(message);
    else if (message.kind === "finding") onFinding(message.finding);
    else isDone = true;
  });
  const stop = (): boolean => child.kill("SIGKILL");
  signal.addEventListener("abort", stop);
  const ending = await endOf(child, task.notePath, limits);
  signal.removeEventListener("abort", stop);
  if (signal.aborted || (isDone && ending === undefined)) return undefined;
  const noted = readRunningInput(task.notePath);
  const message = ending?.message ?? "the process died";
  // A process that never ran an input has no finding but itself.
  if (noted === undefined) throw new Error(`${task.target}: ${message}\n${stderr}`);
  onFinding({
    target: task.target,
    kind: ending?.kind ?? "crash",
    message,
    stack: stderr,
    signature: message.replaceAll(/\d+/g, "#"),
    lineage: noted.lineage,
    input: noted.input.toString("base64"),
  });
  return Number(noted.lineage.split("/").at(-1)) + 1;
}

function endOf(child: ChildProcess, notePath: string, limits: WatchLimits): Promise<Ending> {
  return new Promise((resolve) => {
    let ending: Ending;
    const watcher = setInterval(() => {
      ending ??= troubleOf();
      if (ending !== undefined) child.kill("SIGKILL");
    }, LOOK_MS);
    const troubleOf = createWatch(child.pid ?? 0, notePath, limits);
    child.once("exit", (status, signal) => {
      clearInterval(watcher);
      const died =
        status !== 0 ? `the process ended with ${signal ?? `status ${status}`}` : undefined;
      resolve(ending ?? (died === undefined ? undefined : { kind: "crash", message: died }));
    });
  });
}

function createWatch(pid: number, notePath: string, limits: WatchLimits): () => Ending {
  let lineage = "";
  let since = { cpu: 0, awake: performance.now() };
  return () => {
    const usage = usageOf(pid);
    if (usage === undefined) return undefined;
    const running = readRunningInput(notePath)?.lineage ?? "";
    if (running !== lineage) {
      lineage = running;
      since = { cpu: usage.cpuSeconds, awake: performance.now() };
    }
    if (!usage.sleeps) since.awake = performance.now();
    if (usage.rssMib > limits.rssMib) {
      return { kind: "memory", message: `it holds more than ${limits.rssMib} MiB` };
    }
    // Before the first execution the seeds are made.
    if (running === "") return undefined;
    const asleep = (performance.now() - since.awake) / 1000;
    if (asleep > limits.sleepSeconds) return { kind: "hang", message: "one execution never ends" };
    if (usage.cpuSeconds - since.cpu > limits.cpuSeconds) {
      return {
        kind: "hang",
        message: `one execution takes longer than ${limits.cpuSeconds} s of CPU`,
      };
    }
    return undefined;
  };
}

interface Usage {
  readonly cpuSeconds: number;
  readonly rssMib: number;
  readonly sleeps: boolean;
}

/** @returns undefined when the process is gone */
function usageOf(pid: number): Usage | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const ticks = Number(fields[11]) + Number(fields[12]);
    const rss = (Number(fields[21]) * PAGE_BYTES) / 2 ** 20;
    return { cpuSeconds: ticks / TICKS_A_SECOND, rssMib: rss, sleeps: fields[0] === "S" };
  } catch {
    return undefined;
  }
}
