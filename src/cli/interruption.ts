import { ImportError } from "../index.ts";

const STATUS = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const;
type WatchedSignal = keyof typeof STATUS;
/** npm and the shell both deliver one Ctrl-C: the same signal again within this time is the same wish. */
const ECHO_MS = 200;

const IMPORT_HINT = "Nothing was registered. Import again to have the image.";

/** Turns signals into an AbortSignal while something runs that has to clean up. */
export interface Interruption {
  /**
   * Runs `job`. The first SIGINT, SIGTERM or SIGHUP calls `onFirst` and aborts the job, whose clean-up is waited for; the
   * next one ends the process at once.
   * @param hint of the error, when it was aborted
   */
  readonly guard: <T>(
    job: (signal: AbortSignal) => Promise<T>,
    onFirst: (name: string) => void,
    hint?: string,
  ) => Promise<T>;
  /** 128 + the number of the signal that came; undefined when none did. */
  readonly exitStatus: () => number | undefined;
}

export function watchForSignals(exitNow: (status: number) => void): Interruption {
  let first: { readonly name: WatchedSignal; readonly atMs: number } | undefined;
  return {
    exitStatus: () => (first === undefined ? undefined : STATUS[first.name]),
    guard: async (job, onFirst, hint = IMPORT_HINT) => {
      const controller = new AbortController();
      const receive = (name: WatchedSignal): void => {
        if (first === undefined) {
          first = { name, atMs: performance.now() };
          onFirst(name);
          controller.abort(new ImportError("ERR_CANCELLED", `cancelled by ${name}`, { hint }));
        } else if (name !== first.name || performance.now() - first.atMs > ECHO_MS) {
          exitNow(STATUS[name]);
        }
      };
      const names: readonly WatchedSignal[] = ["SIGHUP", "SIGINT", "SIGTERM"];
      for (const name of names) process.on(name, receive);
      try {
        return await job(controller.signal);
      } finally {
        for (const name of names) process.off(name, receive);
      }
    },
  };
}
