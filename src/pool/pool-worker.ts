import { deserializeError, ImportError, type ErrorDetails } from "../errors.ts";
import { createIdleClock } from "./idle-clock.ts";
import type { FromWorker, ToWorker } from "./messages.ts";
import { startWatchedWorker, type WorkerEnd, type WorkerOptions } from "./watched-worker.ts";

/** What a job is about, for the message when its worker fails. */
export interface JobSubject {
  /** `layer 3 of 4 of ghcr.io/org/app:1.2` */
  readonly label: string;
  readonly details?: ErrorDetails;
}

/** What a job's owner hears; `failed` and the death of the worker arrive as `onFailure`, once and last. */
export interface JobListener {
  readonly subject: JobSubject;
  readonly onMessage: (message: Exclude<FromWorker, { type: "failed" }>) => void;
  readonly onFailure: (error: ImportError) => void;
}

/** One job's way to its worker. */
export interface JobChannel {
  readonly job: number;
  post(message: ToWorker, transfer?: readonly ArrayBuffer[]): void;
  /** How long the worker has had no bytes to work on, of any job, so far. */
  readonly idleMs: () => number;
  /** The job is over: no message is expected any more. */
  done(): void;
}

export interface PoolWorker {
  /** The sum of the loads of its open jobs. */
  readonly load: number;
  open(job: number, load: number, listener: JobListener): JobChannel;
  close(): Promise<void>;
}

/** @param options for tests */
export function startPoolWorker(options: WorkerOptions = {}): PoolWorker {
  const jobs = new Map<number, JobListener>();
  const idle = createIdleClock();
  let totalLoad = 0;
  let failure: ImportError | undefined;

  /** All jobs of a worker end with it, with one error: about the job that it was at. */
  function failAll(end: WorkerEnd): void {
    const error = workerFailed(end, jobs.get(end.job)?.subject);
    failure = error;
    const listeners = [...jobs.values()];
    jobs.clear();
    for (const listener of listeners) listener.onFailure(error);
  }
  const thread = startWatchedWorker(options, {
    onMessage: (message) => {
      const listener = jobs.get(message.job);
      if (message.type === "failed") listener?.onFailure(deserializeError(message.error));
      else listener?.onMessage(message);
    },
    onEnd: failAll,
  });

  function open(job: number, load: number, listener: JobListener): JobChannel {
    const gone = failure;
    let openLoad = load;
    totalLoad += openLoad;
    let buffers = 0;
    const countBuffers = (change: number): void => {
      buffers += change;
      idle.count(change);
    };
    if (gone === undefined) jobs.set(job, { ...listener, onMessage });
    else queueMicrotask(() => listener.onFailure(gone));
    return {
      job,
      post: (message, transfer = []) => {
        if (message.type === "chunk") countBuffers(1);
        thread.postMessage(message, transfer);
      },
      idleMs: idle.idleMs,
      done: () => {
        jobs.delete(job);
        totalLoad -= openLoad;
        openLoad = 0;
        // A job that failed answers no more.
        countBuffers(-buffers);
      },
    };

    function onMessage(message: Parameters<JobListener["onMessage"]>[0]): void {
      if (message.type === "consumed") countBuffers(-1);
      listener.onMessage(message);
    }
  }

  return {
    get load() {
      return totalLoad;
    },
    open,
    close: () => thread.close(),
  };
}

function workerFailed({ why, hint, cause }: WorkerEnd, subject?: JobSubject): ImportError {
  const message = subject === undefined ? why : `${subject.label}: ${why}`;
  return new ImportError("ERR_WORKER_FAILED", message, {
    hint,
    ...(subject?.details === undefined ? {} : { details: subject.details }),
    ...(cause === undefined ? {} : { cause }),
  });
}
