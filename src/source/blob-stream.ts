import { cancellation, ImportError, throwIfCancelled } from "../errors.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import type { ByteStream } from "./image-source.ts";
import type { FileHandle } from "node:fs/promises";
import { openRegularFile, readFailure, readFully } from "./regular-file.ts";

/** A run of bytes in an open file. */
export interface FilePart {
  readonly path: string;
  readonly handle: FileHandle;
  /** Where in the file it begins. */
  readonly start: number;
  readonly sizeBytes: number;
  /** Whether nobody else reads the file, so that it is closed with the stream. */
  readonly ownsFile: boolean;
}

export interface BlobStreamOptions {
  readonly signal: AbortSignal;
  /** `layer sha256:… of oci:DIR` */
  readonly what: string;
  /** Told once, when the stream is at its end or was cancelled. */
  readonly onClose: () => void;
}

/**
 * One blob of a layout, read at positions straight into the caller's buffer.
 * @throws ImportError ERR_SIZE_MISMATCH before the first byte when the file has another size than the descriptor,
 *   and as `openRegularFile`
 */
export async function openBlobStream(
  path: string,
  { sizeBytes }: Descriptor,
  options: BlobStreamOptions,
): Promise<ByteStream> {
  throwIfCancelled(options.signal);
  const file = await openRegularFile(path, options.what);
  if (file.sizeBytes === sizeBytes) {
    return streamOfFilePart({ path, ...file, start: 0, ownsFile: true }, options);
  }
  await file.handle.close();
  throw wrongSize(options.what, sizeBytes, file.sizeBytes);
}

/** Reads a run of a file that is there whole; streams of one file may be read side by side. */
export function streamOfFilePart(part: FilePart, options: BlobStreamOptions): ByteStream {
  return new FileBlobStream(part, options);
}

class FileBlobStream implements ByteStream {
  readonly #part: FilePart;
  readonly #options: BlobStreamOptions;
  /** In the part. */
  #position = 0;
  #closed = false;

  constructor(part: FilePart, options: BlobStreamOptions) {
    this.#part = part;
    this.#options = options;
    options.signal.addEventListener("abort", this.cancel, { once: true });
  }

  async read(target: Uint8Array): Promise<number> {
    const { what, signal } = this.#options;
    const { path, handle, start, sizeBytes } = this.#part;
    throwIfCancelled(signal);
    const wanted = Math.min(target.length, sizeBytes - this.#position);
    if (wanted === 0) {
      // A full target asks for nothing; an empty rest is the end.
      if (this.#position === sizeBytes) this.cancel();
      return 0;
    }
    if (this.#closed) throw cancellation(signal);
    let received: number;
    try {
      received = await readFully(handle, target.subarray(0, wanted), start + this.#position);
    } catch (error) {
      if (this.#closed) throw cancellation(signal);
      throw readFailure(error, path, what);
    }
    this.#position += received;
    // The file was cut while it was read; what it had at the start fitted the descriptor.
    if (received < wanted) throw wrongSize(what, sizeBytes, this.#position);
    if (this.#position === sizeBytes) this.cancel();
    return received;
  }

  readonly cancel = (): void => {
    if (this.#closed) return;
    this.#closed = true;
    this.#options.signal.removeEventListener("abort", this.cancel);
    // Waits for a read in flight; a failure to close a file that was only read has nothing to lose.
    if (this.#part.ownsFile) this.#part.handle.close().catch(() => undefined);
    this.#options.onClose();
  };
}

/** Embedded bytes (`data` of a descriptor) as a stream; verified when the descriptor was parsed. */
export function streamOfBytes(bytes: Uint8Array): ByteStream {
  let position = 0;
  return {
    read: async (target) => {
      const part = bytes.subarray(position, position + target.length);
      target.set(part);
      position += part.length;
      return part.length;
    },
    cancel: () => {
      position = bytes.length;
    },
  };
}

export function wrongSize(what: string, expected: number, actual: number): ImportError {
  return new ImportError(
    "ERR_SIZE_MISMATCH",
    `${what} has ${actual} bytes, its descriptor says ${expected}`,
    {
      hint: "The layout or archive is damaged: copy it again from where it came.",
      details: { expectedBytes: expected, actualBytes: actual },
    },
  );
}
