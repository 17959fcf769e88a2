import { cancellation, throwIfCancelled } from "../errors.ts";
import type { SealContext } from "./sink.ts";
import { countProgress } from "./work-progress.ts";

const STEPS_BETWEEN_LOOKS = 2048;

/** To be called once a step of a long loop. @throws ImportError ERR_CANCELLED */
export function throwWhenCancelled(
  { isCancelled }: { readonly isCancelled: () => boolean },
  step: number,
): void {
  if (step % STEPS_BETWEEN_LOOKS !== 0) return;
  countProgress();
  if (isCancelled()) throw cancellation();
}

/**
 * Seals with a flag that tasks in workers can see: its one element is not 0 once the import is cancelled.
 * @throws ImportError the signal's reason when that is one, or ERR_CANCELLED; what `seal` throws
 */
export async function withCancelFlag<Result>(
  { signal }: SealContext,
  seal: (cancelled: Int32Array) => Promise<Result>,
): Promise<Result> {
  const cancelled = new Int32Array(new SharedArrayBuffer(4));
  const cancel = (): void => {
    Atomics.store(cancelled, 0, 1);
  };
  throwIfCancelled(signal);
  signal.addEventListener("abort", cancel, { once: true });
  try {
    return await seal(cancelled);
  } catch (error) {
    // A task stops with ERR_CANCELLED; the signal knows why.
    throwIfCancelled(signal);
    throw error;
  } finally {
    signal.removeEventListener("abort", cancel);
  }
}
