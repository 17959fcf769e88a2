import { ImportError } from "../errors.ts";

/**
 * Runs what may take only so long: its signal is the caller's, or fires when the time is over. Then it ends with ERR_TIMEOUT.
 * @param job `import`, `resolution`, for the message
 * @param timeoutMs undefined: as long as it takes
 */
export async function withinTime<T>(
  { job, timeoutMs }: { readonly job: string; readonly timeoutMs: number | undefined },
  signal: AbortSignal | undefined,
  run: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const cancelled = signal ?? new AbortController().signal;
  if (timeoutMs === undefined) return run(cancelled);
  const over = new AbortController();
  const timer = setTimeout(() => {
    const message = `the ${job} had not ended after ${timeoutMs / 1000} s`;
    const hint =
      "Allow it more time (--timeout), or look at the network: --verbose shows each request.";
    over.abort(new ImportError("ERR_TIMEOUT", message, { hint, details: { timeoutMs } }));
  }, timeoutMs);
  try {
    return await run(AbortSignal.any([cancelled, over.signal]));
  } finally {
    clearTimeout(timer);
  }
}
