/** Stable: scripts match on it, the README lists it with its meaning. */
export type ErrorCode =
  // What the user asked for.
  | "ERR_REFERENCE_INVALID"
  | "ERR_CONFIG_INVALID"
  | "ERR_OPTION_INVALID"
  | "ERR_NOT_PERMITTED"
  | "ERR_OUTPUT_EXISTS"
  | "ERR_CANCELLED"
  // Registries and credentials.
  | "ERR_AUTH_REQUIRED"
  | "ERR_AUTH_DENIED"
  | "ERR_CREDENTIAL_HELPER"
  | "ERR_IMAGE_NOT_FOUND"
  | "ERR_RATE_LIMITED"
  | "ERR_REGISTRY_UNAVAILABLE"
  | "ERR_REGISTRY_PROTOCOL"
  | "ERR_REDIRECT_REFUSED"
  | "ERR_TLS"
  | "ERR_NETWORK"
  | "ERR_TIMEOUT"
  // Manifests and configs.
  | "ERR_PLATFORM_NOT_FOUND"
  | "ERR_MANIFEST_INVALID"
  | "ERR_UNSUPPORTED_MEDIA_TYPE"
  | "ERR_ARCHIVE_INVALID"
  // Verification.
  | "ERR_DIGEST_MISMATCH"
  | "ERR_DIFF_ID_MISMATCH"
  | "ERR_SIZE_MISMATCH"
  // Layers.
  | "ERR_LAYER_TRUNCATED"
  | "ERR_LAYER_CORRUPT"
  | "ERR_PATH_ESCAPE"
  | "ERR_NAME_TOO_LONG"
  | "ERR_LINK_TARGET_MISSING"
  | "ERR_LINK_LOOP"
  | "ERR_NOT_A_DIRECTORY"
  | "ERR_LIMIT_EXCEEDED"
  // The store, the catalog and the disk.
  | "ERR_NAME_TAKEN"
  | "ERR_NAME_INVALID"
  | "ERR_NOT_FOUND"
  | "ERR_SNAPSHOT_NOT_COMPLETED"
  | "ERR_SNAPSHOT_DAMAGED"
  | "ERR_SNAPSHOT_UNSUPPORTED"
  | "ERR_STORE_NEWER"
  | "ERR_STORE_CORRUPT"
  | "ERR_STORE_IO"
  | "ERR_OUTPUT_IO"
  | "ERR_DISK_FULL"
  | "ERR_DISK_TOO_SMALL"
  | "ERR_WORKER_FAILED";

export type ErrorDetails = Readonly<Record<string, string | number>>;

export interface ErrorContext {
  /** What the user does next: one imperative sentence. */
  readonly hint?: string;
  /** Where, for `--json` and logs: reference, digest, path, offsetBytes, limit. Never a secret. */
  readonly details?: ErrorDetails;
  readonly cause?: unknown;
}

/** Every failure a caller can meet. Anything else that escapes is a bug in rootlift. */
export class ImportError extends Error {
  override readonly name = "ImportError";
  readonly code: ErrorCode;
  readonly hint: string | undefined;
  readonly details: ErrorDetails;

  constructor(code: ErrorCode, message: string, context: ErrorContext = {}) {
    super(message, context.cause === undefined ? undefined : { cause: context.cause });
    this.code = code;
    this.hint = context.hint;
    this.details = context.details ?? {};
  }
}

/**
 * What an aborted signal means: its reason when that is one of ours, else ERR_CANCELLED.
 * @param signal absent where only a flag says so: in a worker
 */
export function cancellation(signal?: AbortSignal): ImportError {
  const reason: unknown = signal?.reason;
  if (reason instanceof ImportError) return reason;
  // A plain `abort()` has a reason too, which says nothing.
  const told = reason instanceof Error && reason.name !== "AbortError";
  return new ImportError(
    "ERR_CANCELLED",
    "the import was cancelled",
    told ? { cause: reason } : {},
  );
}

/** @throws ImportError what `cancellation` makes of the signal */
export function throwIfCancelled(signal: AbortSignal): void {
  if (signal.aborted) throw cancellation(signal);
}

/** An `ImportError` as plain data: what crosses threads, and what `--json` prints. */
export interface SerializedError {
  readonly code: ErrorCode;
  readonly message: string;
  readonly hint?: string;
  readonly details: ErrorDetails;
}

export function serializeError(error: ImportError): SerializedError {
  return {
    code: error.code,
    message: error.message,
    details: error.details,
    ...(error.hint === undefined ? {} : { hint: error.hint }),
  };
}

export function deserializeError(data: SerializedError): ImportError {
  return new ImportError(data.code, data.message, {
    details: data.details,
    ...(data.hint === undefined ? {} : { hint: data.hint }),
  });
}

/** Bytes of a hostile name as printable text: control characters, escapes and invalid UTF-8 never reach a terminal raw. */
export function printable(bytes: Uint8Array | string, maxLength = 200): string {
  const text = typeof bytes === "string" ? bytes : Buffer.from(bytes).toString("utf8");
  const safe = text.replaceAll(/[\p{C}\u2028\u2029\uFFFD]/gu, (character) => {
    const code = character.codePointAt(0) ?? 0;
    return code < 0x100 ? `\\x${code.toString(16).padStart(2, "0")}` : `\\u{${code.toString(16)}}`;
  });
  return safe.length <= maxLength ? safe : `${safe.slice(0, maxLength)}…`;
}

/** How every message names a layer: `layer 3 of 4 of ghcr.io/org/app:1.2`. @param layer 0 is the base layer */
export function layerLabel(layer: number, layers: number, reference: string): string {
  return `layer ${layer + 1} of ${layers} of ${reference}`;
}
