import type { Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import {
  createGunzip,
  createInflate,
  createZstdDecompress,
  gunzipSync,
  inflateSync,
  zstdDecompressSync,
} from "node:zlib";

export type ContentCoding = "gzip" | "deflate" | "zstd";

/** Bytes pulled by their reader: a response's body as it came, or with its coding undone. */
export interface BodyReader {
  /** Fills `target`; less only at the end. 0 is the end. */
  read(target: Uint8Array): Promise<number>;
  cancel(): void;
}

/** The coding failed: perhaps it was only a label (BLOB-2). */
export class CodingError extends Error {
  override readonly name = "CodingError";
}

const ENCODED_CHUNK_BYTES = 64 * 1024;
const DECODED_CHUNK_BYTES = 256 * 1024;

/** The one coding of a `Content-Encoding` that can be undone; others are taken for labels (registry-cases BLOB-2). */
export function codingOf(contentEncoding: string | undefined): ContentCoding | undefined {
  const name = (contentEncoding ?? "").trim().toLowerCase();
  if (name === "gzip" || name === "x-gzip") return "gzip";
  return name === "deflate" || name === "zstd" ? name : undefined;
}

/**
 * A short body with its coding undone; as it is when it cannot be, since then it was only a label.
 * @returns `undefined` when more than `maxBytes` would come out. Attack: 4 MiB of gzip hold 4 GiB of zeros.
 */
export function undoCoding(
  bytes: Uint8Array,
  coding: ContentCoding,
  maxBytes: number,
): Uint8Array | undefined {
  const options = { maxOutputLength: maxBytes };
  try {
    if (coding === "gzip") return gunzipSync(bytes, options);
    return coding === "deflate" ? inflateSync(bytes, options) : zstdDecompressSync(bytes, options);
  } catch (error) {
    const tooLarge =
      error instanceof Error && "code" in error && error.code === "ERR_BUFFER_TOO_LARGE";
    return tooLarge ? undefined : bytes;
  }
}

/**
 * Undoes the coding of a body while it is read.
 * @param stored the blob is compressed itself, so what comes out must be: else the coding was a label for that
 * @throws CodingError from `read` when the bytes are not so coded
 */
export function decodedReader(
  body: BodyReader,
  coding: ContentCoding,
  stored: "gzip" | "zstd" | undefined,
): BodyReader {
  const decoder = decoderFor(coding);
  /** Errors of the connection pass through as they are; those of the decoder become CodingErrors. */
  let broken: Error | undefined;
  const encoded = async function* encodedChunks(): AsyncGenerator<Uint8Array> {
    for (;;) {
      const buffer = new Uint8Array(ENCODED_CHUNK_BYTES);
      const filled = await body.read(buffer).catch((error: Error) => {
        broken = error;
        throw error;
      });
      if (filled === 0) return;
      yield buffer.subarray(0, filled);
    }
  };
  pipeline(encoded, decoder).catch(() => {
    // The decoder's reader meets the same error.
  });
  const output: AsyncIterator<unknown> = decoder[Symbol.asyncIterator]();
  let rest: Uint8Array = new Uint8Array();

  let started = false;
  const nextChunk = async (): Promise<Uint8Array> => {
    try {
      const { value } = await output.next();
      const chunk = value instanceof Uint8Array ? value : new Uint8Array();
      if (!started) refuseLabel(chunk, stored);
      started = true;
      return chunk;
    } catch (error) {
      const message = "the Content-Encoding could not be undone";
      throw broken ?? new CodingError(message, { cause: error });
    }
  };
  return {
    read: async (target) => {
      let filled = 0;
      while (filled < target.length) {
        if (rest.length === 0) rest = await nextChunk();
        if (rest.length === 0) break;
        const taken = Math.min(rest.length, target.length - filled);
        target.set(rest.subarray(0, taken), filled);
        rest = rest.subarray(taken);
        filled += taken;
      }
      return filled;
    },
    cancel: () => {
      body.cancel();
      decoder.destroy();
    },
  };
}

/** Apache labels stored gzip blobs `x-gzip`: undoing that would hand on the tar inside (moby#17595). */
function refuseLabel(start: Uint8Array, stored: "gzip" | "zstd" | undefined): void {
  const isGzip = start[0] === 0x1f && start[1] === 0x8b;
  // A zstd frame, or a skippable one.
  const isZstd =
    (start[0] === 0x28 && start[1] === 0xb5) || (start[1] === 0x2a && start[2] === 0x4d);
  if ((stored === "gzip" && !isGzip) || (stored === "zstd" && !isZstd)) {
    throw new Error("the coding names the blob's own compression");
  }
}

function decoderFor(coding: ContentCoding): Transform {
  const options = { chunkSize: DECODED_CHUNK_BYTES };
  if (coding === "gzip") return createGunzip(options);
  return coding === "deflate" ? createInflate(options) : createZstdDecompress(options);
}
