import { createGunzip } from "node:zlib";
import { OUTPUT_BYTES, sharedOutput } from "./decompressor.ts";
import {
  CONTINUE,
  FINISH,
  notReadableHere,
  openNativeHandle,
  passesTrial,
} from "./native-handle.ts";
import type { Decompressor, DecompressorOptions } from "./decompressor.ts";
import type { NativeHandle } from "./native-handle.ts";

const NOTHING = new Uint8Array(0);
/** Two members, "tar" and "lift": what the trial of the native handle must turn into one run of bytes. */
const TRIAL_STREAM = Buffer.from(
  "H4sIAAAAAAACAytJLAIAaFNUbgMAAAAfiwgAAAAAAAIDy8lMKwEADB59cwQAAAA=",
  "base64",
);
const TRIAL_RESULT = Buffer.from("tarlift");

let nativeWorks: boolean | undefined;

/** Whether this Node's internal handle does what `native-handle.ts` says. Tried once a thread. */
export function nativeGunzipWorks(): boolean {
  if (nativeWorks !== undefined) return nativeWorks;
  const handle = openNativeHandle(createGunzip(), new Uint8Array(64));
  nativeWorks = passesTrial(handle, TRIAL_STREAM, TRIAL_RESULT);
  handle?.close();
  return nativeWorks;
}

/**
 * gzip (RFC 1952): all members as one stream, their header fields and checks verified by zlib. Zero bytes after the last
 * member are padding, as GNU gzip takes them; anything else there is refused, as Go does.
 */
export function createGzipStream(options: DecompressorOptions): Decompressor {
  const handle = nativeGunzipWorks() ? openNativeHandle(createGunzip(), sharedOutput()) : undefined;
  if (handle === undefined) throw notReadableHere(options.fault, "gzip");
  return new GzipStream(handle, options);
}

class GzipStream implements Decompressor {
  readonly #handle: NativeHandle;
  readonly #options: DecompressorOptions;
  /** The last member has ended, and zeros follow. */
  #padding = false;

  constructor(handle: NativeHandle, options: DecompressorOptions) {
    this.#handle = handle;
    this.#options = options;
  }

  write(chunk: Uint8Array): void {
    const unread = this.#padding ? chunk.length : this.#inflate(chunk);
    if (unread === 0) return;
    // zlib goes on with the next member by itself and stops in silence only before a zero byte.
    this.#padding = true;
    if (chunk.subarray(chunk.length - unread).some((byte) => byte !== 0)) {
      throw this.#options.fault("ERR_LAYER_CORRUPT", "garbage after the last gzip member");
    }
  }

  /** @returns how many bytes at the end of `chunk` do not belong to any member */
  #inflate(chunk: Uint8Array): number {
    const handle = this.#handle;
    const { room } = this.#options;
    let left = chunk.length;
    for (;;) {
      if (room !== undefined) handle.output = room();
      handle.run(CONTINUE, chunk, chunk.length - left, left);
      this.#requireSuccess();
      left = handle.inputLeft;
      const full = handle.outputLeft === 0;
      this.#emit(OUTPUT_BYTES - handle.outputLeft);
      if (!full) return left;
    }
  }

  end(): void {
    if (this.#padding) return;
    this.#handle.run(FINISH, NOTHING, 0, 0);
    this.#requireSuccess();
  }

  close(): void {
    this.#handle.close();
  }

  #emit(length: number): void {
    if (length > 0) this.#options.output(this.#handle.output.subarray(0, length));
  }

  #requireSuccess(): void {
    const { failure } = this.#handle;
    if (failure === undefined) return;
    throw failure.code === "Z_BUF_ERROR"
      ? this.#options.fault("ERR_LAYER_TRUNCATED", "the gzip stream ends early")
      : this.#options.fault("ERR_LAYER_CORRUPT", `bad gzip data (${failure.message})`, {
          details: { zlib: failure.code },
        });
  }
}
