import { deserializeError, ImportError } from "../errors.ts";
import type { FromWorker, ToWorker } from "./messages.ts";
import { startWorker } from "./start-worker.ts";

/** What a job's owner hears; `failed` and the death of the worker arrive as `onFailure`, once and last. */
export interface JobListener {
  readonly onMessage: (message: Exclude<FromWorker, { type: "failed" }>) => void;
  readonly onFailure: (error: ImportError) => void;
}

/** One job's way to its worker. */
export interface JobChannel {
  readonly job: number;
  post(message: ToWorker, transfer?: readonly ArrayBuffer[]): void;
  /** The job is over: no message is expected any more. */
  done(): void;
}

export interface PoolWorker {
  /** The sum of the loads of its open jobs. */
  readonly load: number;
  open(job: number, load: number, listener: JobListener): JobChannel;
  close(): Promise<void>;
}

export function startPoolWorker(): PoolWorker {
  const thread = startWorker();
  const jobs = new Map<number, JobListener>();
  let totalLoad = 0;
  let failure: ImportError | undefined;

  function failAll(error: ImportError): void {
    failure ??= error;
    const listeners = [...jobs.values()];
    jobs.clear();
    for (const listener of listeners) listener.onFailure(failure);
  }
  thread.on("message", (message: FromWorker) => {
    const listener = jobs.get(message.job);
    if (message.type === "failed") listener?.onFailure(deserializeError(message.error));
    else listener?.onMessage(message);
  });
  thread.on("error", (error) => failAll(workerGone(error.message, error)));
  thread.on("exit", (code) => failAll(workerGone(`it ended with exit code ${code}`)));

  function open(job: number, load: number, listener: JobListener): JobChannel {
    const gone = failure;
    if (gone === undefined) jobs.set(job, listener);
    else queueMicrotask(() => listener.onFailure(gone));
    let openLoad = load;
    totalLoad += openLoad;
    return {
      job,
      post: (message, transfer = []) => thread.postMessage(message, transfer),
      done: () => {
        jobs.delete(job);
        totalLoad -= openLoad;
        openLoad = 0;
      },
    };
  }

  return {
    get load() {
      return totalLoad;
    },
    open,
    close: async () => {
      await thread.terminate();
    },
  };
}

function workerGone(why: string, cause?: unknown): ImportError {
  return new ImportError("ERR_WORKER_FAILED", `a worker thread died: ${why}`, {
    hint: "Import again; with little memory, use fewer workers (--cpus 1).",
    ...(cause === undefined ? {} : { cause }),
  });
}
