import type { FromWorker, ToWorker } from "./messages.ts";
import { startWorker, type WorkerToStart } from "./start-worker.ts";
import { statusMemory, workerStatus } from "./worker-status.ts";
import { watchWorker, type Patience } from "./worker-watch.ts";

/** How a worker ended although nobody wanted it to. */
export interface WorkerEnd {
  readonly why: string;
  readonly hint: string;
  /** The job that it was at, or 0. */
  readonly job: number;
  readonly cause?: unknown;
}

export interface WatchedWorker {
  postMessage(message: ToWorker, transfer: readonly ArrayBuffer[]): void;
  /** Ends it, which `onEnd` tells too. */
  close(): Promise<void>;
}

/** Other workers, and less patience, are for tests. */
export interface WorkerOptions {
  readonly worker?: WorkerToStart;
  readonly patience?: Patience;
}

const DIED = "Import again; with little memory, use fewer workers (--cpus 1).";
const STUCK =
  "Import again. If it happens again, the image is hostile or rootlift has a bug: please report it.";

/** Starts a worker that is known to end, whatever becomes of it: it exits, it throws, it takes too much memory, it hangs. */
export function startWatchedWorker(
  { worker, patience }: WorkerOptions,
  listener: {
    readonly onMessage: (message: FromWorker) => void;
    /** Once, and nothing after it. */
    readonly onEnd: (end: WorkerEnd) => void;
  },
): WatchedWorker {
  const memory = statusMemory();
  const status = workerStatus(memory);
  const thread = startWorker(memory, worker);
  let hasEnded = false;

  function end(why: string, more: { readonly hint: string; readonly cause?: unknown }): void {
    watch.stop();
    if (hasEnded) return;
    hasEnded = true;
    listener.onEnd({ why, job: Atomics.load(status.job, 0), ...more });
  }
  const watch = watchWorker(thread, status, {
    onStuck: () => {
      end("a worker thread makes no progress any more", { hint: STUCK });
      // Nobody waits for it any more.
      void thread.terminate();
    },
    ...(patience === undefined ? {} : { patience }),
  });
  thread.on("message", (message: FromWorker) => {
    if (!hasEnded) listener.onMessage(message);
  });
  thread.on("error", (error) => {
    end(`a worker thread died: ${error.message}`, { hint: DIED, cause: error });
  });
  thread.on("exit", (code) => {
    end(`a worker thread died: it ended with exit code ${code}`, { hint: DIED });
  });

  return {
    postMessage: (message, transfer) => {
      watch.count();
      thread.postMessage(message, transfer);
    },
    close: async () => {
      watch.stop();
      await thread.terminate();
    },
  };
}
