import { ImportError } from "../errors.ts";

/** @throws ImportError the signal's reason when that is one, else ERR_CANCELLED */
export function throwIfCancelled(signal: AbortSignal): void {
  if (signal.aborted) throw cancelled(signal);
}

export function cancelled(signal: AbortSignal): ImportError {
  const reason: unknown = signal.reason;
  return reason instanceof ImportError
    ? reason
    : new ImportError("ERR_CANCELLED", "the import was cancelled");
}
