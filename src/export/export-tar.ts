import { Readable, type Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { setImmediate } from "node:timers/promises";
import { cancellation, ImportError, throwIfCancelled } from "../errors.ts";
import type { ContentPiece, TreeSource } from "../rootfs/tree-reader.ts";
import { createTarFile } from "../sink/tar/tar-file.ts";
import { tarPieces, type OnTarOmission } from "../sink/tar/tar-pieces.ts";

export interface TarExport {
  readonly source: TreeSource;
  readonly signal: AbortSignal;
  readonly onOmission: OnTarOmission;
}

/** The longest run of zeros that is sent at once. */
const ZEROS_BYTES = 1 << 20;

/**
 * Writes an archive into a new file. What fails leaves the file as it is, for the caller to remove.
 * @returns its bytes
 * @throws ImportError ERR_DISK_FULL, ERR_OUTPUT_IO, ERR_STORE_IO, ERR_CANCELLED
 */
export async function exportTarFile(
  { source, signal, onOmission }: TarExport,
  target: { readonly path: string; readonly fsync: boolean },
): Promise<number> {
  const file = createTarFile(target.path);
  try {
    for (const piece of tarPieces(source, onOmission)) {
      file.write(piece);
      // Signals and everybody else have their turn after each megabyte.
      await setImmediate();
      throwIfCancelled(signal);
    }
    await file.finish(target);
    return file.sizeBytes;
  } finally {
    await file.close();
  }
}

/**
 * Sends an archive down a stream, no faster than it takes it, and leaves the stream open.
 * @returns its bytes
 * @throws ImportError ERR_OUTPUT_IO when the stream fails, or its reader goes away; ERR_STORE_IO, ERR_CANCELLED
 */
export async function exportTarStream(
  { source, signal, onOmission }: TarExport,
  stream: Writable,
): Promise<number> {
  let sentBytes = 0;
  const failures: unknown[] = [];
  const pieces = tarPieces(source, onOmission);
  function nextPiece(): ContentPiece | undefined {
    try {
      const next = pieces.next();
      return next.done === true ? undefined : next.value;
    } catch (error) {
      failures.push(error);
      throw error;
    }
  }
  function* bytes(): Generator<Uint8Array, void, undefined> {
    // A stream that fails throws its error in here, at a `yield`: that is none of the source's.
    try {
      for (let piece = nextPiece(); piece !== undefined; piece = nextPiece()) {
        for (const part of ownParts(piece)) {
          sentBytes += part.length;
          yield part;
        }
      }
    } finally {
      pieces.return();
    }
  }
  const readable = Readable.from(bytes(), { objectMode: false, highWaterMark: 1 });
  try {
    await pipeline(readable, stream, { signal, end: false });
  } catch (error) {
    for (const failure of failures) throw failure;
    if (signal.aborted) throw cancellation(signal);
    throw streamFailure(error);
  }
  return sentBytes;
}

/** What a stream may keep: pieces are only lent. */
function* ownParts(piece: ContentPiece): Generator<Uint8Array, void, undefined> {
  if (typeof piece !== "number") {
    yield Buffer.from(piece);
    return;
  }
  for (let left = piece; left > 0; left -= ZEROS_BYTES) {
    yield Buffer.alloc(Math.min(left, ZEROS_BYTES));
  }
}

const READER_GONE = new Set([
  "EPIPE",
  "ECONNRESET",
  "ERR_STREAM_DESTROYED",
  "ERR_STREAM_PREMATURE_CLOSE",
  "ERR_STREAM_UNABLE_TO_PIPE",
]);

function streamFailure(cause: unknown): ImportError {
  const code = cause instanceof Error && "code" in cause ? String(cause.code) : "";
  const why = READER_GONE.has(code)
    ? `whoever read it went away (${code})`
    : `the stream failed: ${cause instanceof Error ? cause.message : String(cause)}`;
  return new ImportError("ERR_OUTPUT_IO", `the archive is incomplete: ${why}`, {
    hint: "Export again, or to a file with --output.",
    cause,
  });
}
