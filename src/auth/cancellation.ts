import { ImportError } from "../errors.ts";

/** What an aborted signal means: its reason when that is one of ours, else ERR_CANCELLED. */
export function cancellation(signal: AbortSignal): ImportError {
  if (signal.reason instanceof ImportError) return signal.reason;
  return new ImportError("ERR_CANCELLED", "the import was cancelled");
}
