import type { SealTask } from "../sink/sink.ts";
import {
  startPoolWorker,
  type JobChannel,
  type JobListener,
  type JobSubject,
  type PoolWorker,
} from "./pool-worker.ts";
import type { RecordTiming, TaskSpan } from "../timing/timing-record.ts";
import type { WorkerOptions } from "./watched-worker.ts";

/** Worker threads that decode layers and do the parts of a seal. Ends with `close`. */
export interface WorkerPool {
  readonly workers: number;
  /** Opens a job on the worker with the least load. @param load its weight, e.g. compressed bytes */
  open(load: number, listener: JobListener): PoolChannel;
  /** Runs seal tasks, one a worker at a time. Fails with the first error, when all that had begun have ended. */
  runTasks(tasks: readonly SealTask[], options?: TaskOptions): Promise<readonly unknown[]>;
  close(): Promise<void>;
}

/** A job's way to one of the workers, which count from 0. */
export interface PoolChannel extends JobChannel {
  readonly worker: number;
}

export interface TaskOptions {
  readonly subject?: JobSubject;
  readonly recordTiming?: RecordTiming | undefined;
}

const SEALING: JobSubject = { label: "the root filesystem" };

/** @param options for tests */
export function startWorkerPool(count: number, options: WorkerOptions = {}): WorkerPool {
  const workers = Array.from({ length: count }, () => startPoolWorker(options));
  let lastJob = 0;
  const nextJob = (): number => (lastJob += 1);

  function open(load: number, listener: JobListener): PoolChannel {
    const idlest = workers.reduce((least, worker) => (worker.load < least.load ? worker : least));
    return { ...idlest.open(nextJob(), load, listener), worker: workers.indexOf(idlest) };
  }

  async function runTasks(
    tasks: readonly SealTask[],
    { subject = SEALING, recordTiming }: TaskOptions = {},
  ): Promise<readonly unknown[]> {
    const results: unknown[] = Array.from({ length: tasks.length });
    let next = 0;
    async function drain(worker: PoolWorker, number: number): Promise<void> {
      const onTime = (time: TaskSpan): void => {
        recordTiming?.({ kind: "task", worker: number, ...time });
      };
      try {
        for (let index = next++; index < tasks.length; index = next++) {
          const job = { number: nextJob(), task: tasks[index]!, subject, onTime };
          results[index] = await runTask(worker, job);
        }
      } catch (error) {
        next = tasks.length;
        throw error;
      }
    }
    const outcomes = await Promise.allSettled(workers.map(drain));
    for (const outcome of outcomes) if (outcome.status === "rejected") throw outcome.reason;
    return results;
  }

  async function close(): Promise<void> {
    await Promise.all(workers.map((worker) => worker.close()));
  }

  return { workers: count, open, runTasks, close };
}

function runTask(
  worker: PoolWorker,
  job: {
    readonly number: number;
    readonly task: SealTask;
    readonly subject: JobSubject;
    readonly onTime: (time: TaskSpan) => void;
  },
): Promise<unknown> {
  const { number, task, subject, onTime } = job;
  return new Promise((resolve, reject) => {
    const channel = worker.open(number, 0, {
      subject,
      onMessage: (message) => {
        if (message.type !== "task-done") return;
        channel.done();
        onTime(message.time);
        resolve(message.result);
      },
      onFailure: (error) => {
        channel.done();
        reject(error);
      },
    });
    channel.post({ type: "seal-task", job: number, task });
  });
}
