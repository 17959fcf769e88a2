import { ImportError } from "../errors.ts";

/**
 * The caller's signal, with an error that says what was cancelled; one that never fires when there is none.
 * @param message `the export was cancelled`
 */
export function cancellable(signal: AbortSignal | undefined, message: string): AbortSignal {
  const controller = new AbortController();
  if (signal === undefined) return controller.signal;
  const abort = (): void => {
    const reason: unknown = signal.reason;
    controller.abort(
      reason instanceof ImportError ? reason : new ImportError("ERR_CANCELLED", message),
    );
  };
  if (signal.aborted) abort();
  else signal.addEventListener("abort", abort, { once: true });
  return controller.signal;
}
