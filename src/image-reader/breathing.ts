import { throwIfCancelled } from "../errors.ts";

const TURN_MS = 20;

/** @returns what lets other work of the process go on now and then, and @throws ImportError when the signal is aborted */
export function createBreathing(signal: AbortSignal): () => Promise<void> {
  let since = performance.now();
  return async () => {
    throwIfCancelled(signal);
    if (performance.now() - since < TURN_MS) return;
    await new Promise<void>((resolve) => {
      setImmediate(resolve);
    });
    since = performance.now();
  };
}
