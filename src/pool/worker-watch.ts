import { readFileSync } from "node:fs";
import type { Worker } from "node:worker_threads";
import type { WorkerStatus } from "./worker-status.ts";

/** How patient a watch is; milliseconds. */
export interface Patience {
  /** Computed, or idled with work to do, since the last step. */
  readonly stuckMs: number;
  /** Until a thread has loaded its code and begun, whatever it does meanwhile. */
  readonly startMs: number;
  readonly tickMs: number;
}

/**
 * A step is a write, a mebibyte of an archive, a name of the tree; the longest stretch without one is the sorting of ten
 * million names, some seconds.
 */
export const PATIENCE: Patience = { stuckMs: 60_000, startMs: 120_000, tickMs: 1000 };

export interface WorkerWatch {
  /** One more message to be dealt with. */
  readonly count: () => void;
  readonly stop: () => void;
}

/**
 * Notices a worker that has work and gets nowhere: it loops, or it has lost a message.
 *
 * What counts is not the time that passes but the processor time that the thread takes, and the time that it waits for
 * messages although it has some. So nothing happens while it is blocked in a write to a slow disk or in an fsync, while the
 * machine is too busy to let it run, or while the process is stopped; and no clock that jumps is asked.
 */
export function watchWorker(
  worker: Worker,
  status: WorkerStatus,
  { onStuck, patience = PATIENCE }: { readonly onStuck: () => void; readonly patience?: Patience },
): WorkerWatch {
  let posted = 0;
  let lastSteps = 0;
  let lastHandled = 0;
  let stuckMs = 0;
  let last = spentBy(worker, status);

  function tick(): void {
    const now = spentBy(worker, status);
    const steps = Atomics.load(status.steps, 0);
    const handled = Atomics.load(status.handled, 0);
    const begins = now.hasBegun && !last.hasBegun;
    const gotOn = steps !== lastSteps || handled !== lastHandled || handled === posted || begins;
    // A process that was stopped has idled for hours.
    const spentMs = Math.min(spentBetween(last, now), 2 * patience.tickMs);
    stuckMs = gotOn ? 0 : stuckMs + spentMs;
    last = now;
    lastSteps = steps;
    lastHandled = handled;
    if (stuckMs < (now.hasBegun ? patience.stuckMs : patience.startMs)) return;
    clearInterval(timer);
    onStuck();
  }
  const timer = setInterval(tick, patience.tickMs);
  timer.unref();

  return {
    count: () => {
      posted = (posted + 1) | 0;
    },
    stop: () => clearInterval(timer),
  };
}

interface Spent {
  readonly hasBegun: boolean;
  /** Not decreasing. */
  readonly clockMs: number;
  /** Waiting for messages. */
  readonly idleMs: number;
  /** On a processor; undefined where the kernel does not tell, and until the thread has begun. */
  readonly processorMs: number | undefined;
}

/** Of a thread so far. */
function spentBy(worker: Worker, { thread }: WorkerStatus): Spent {
  return {
    hasBegun: Atomics.load(thread, 0) !== 0,
    clockMs: performance.now(),
    idleMs: worker.performance.eventLoopUtilization().idle,
    processorMs: processorMs(Atomics.load(thread, 0)),
  };
}

/** Computing or idle; where the processor time is not known, all the time that passed. */
function spentBetween(before: Spent, now: Spent): number {
  if (now.processorMs === undefined) return now.clockMs - before.clockMs;
  return now.processorMs - (before.processorMs ?? now.processorMs) + now.idleMs - before.idleMs;
}

/** Linux: `schedstat` begins with the nanoseconds on a processor (Documentation/scheduler/sched-stats). */
function processorMs(thread: number): number | undefined {
  if (thread <= 0) return undefined;
  try {
    return Number.parseInt(readFileSync(`/proc/self/task/${thread}/schedstat`, "latin1"), 10) / 1e6;
  } catch {
    return undefined;
  }
}
