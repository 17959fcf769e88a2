import { constants, createZstdDecompress } from "node:zlib";
import { sharedOutput } from "./decompressor.ts";
import { limitFault } from "./fault.ts";
import { CONTINUE, notReadableHere, openNativeHandle, passesTrial } from "./native-handle.ts";
import { ZstdFrameWalker } from "./zstd-frames.ts";
import type { Decompressor, DecompressorOptions } from "./decompressor.ts";
import type { ImportError } from "../errors.ts";
import type { NativeHandle } from "./native-handle.ts";

/** One frame with a checksum, and what is in it. */
const TRIAL_STREAM = Buffer.from("KLUv/SQHOQAAdGFybGlmdPNUKHU=", "base64");
const TRIAL_RESULT = Buffer.from("tarlift");
/** ZSTD_WINDOWLOG_MAX on 64-bit machines. */
const LARGEST_WINDOW_LOG = 31;

let nativeWorks: boolean | undefined;

function nativeZstdWorks(): boolean {
  if (nativeWorks !== undefined) return nativeWorks;
  const handle = openNativeHandle(createZstdDecompress(), new Uint8Array(64));
  nativeWorks = passesTrial(handle, TRIAL_STREAM, TRIAL_RESULT);
  handle?.close();
  return nativeWorks;
}

/**
 * zstd (RFC 8878): all frames as one stream, skippable ones left out, checksums verified. One decoder serves all frames,
 * since zstd:chunked layers have a frame a file.
 */
export function createZstdStream(options: DecompressorOptions): Decompressor {
  const windowLog = Math.ceil(Math.log2(options.limits.zstdWindowBytes));
  const params = {
    [constants.ZSTD_d_windowLogMax]: Math.min(Math.max(windowLog, 10), LARGEST_WINDOW_LOG),
  };
  const handle = nativeZstdWorks()
    ? openNativeHandle(createZstdDecompress({ params }), sharedOutput())
    : undefined;
  if (handle === undefined) throw notReadableHere(options.fault, "zstd");
  return new ZstdStream(handle, options);
}

class ZstdStream implements Decompressor {
  readonly #handle: NativeHandle;
  readonly #options: DecompressorOptions;
  readonly #frames: ZstdFrameWalker;

  constructor(handle: NativeHandle, options: DecompressorOptions) {
    this.#handle = handle;
    this.#options = options;
    this.#frames = new ZstdFrameWalker(options, (bytes, start, end) =>
      this.#decode(bytes, start, end),
    );
  }

  write(chunk: Uint8Array): void {
    this.#frames.write(chunk);
    this.#emit();
  }

  end(): void {
    this.#frames.end();
  }

  close(): void {
    this.#handle.close();
  }

  /** Output gathers over frames: later steps are called once a mebibyte, not once a frame of a hundred bytes. */
  #decode(bytes: Uint8Array, start: number, end: number): void {
    const handle = this.#handle;
    const { room } = this.#options;
    let left = end - start;
    for (;;) {
      if (room !== undefined) handle.output = room();
      handle.run(CONTINUE, bytes, end - left, left);
      if (handle.failure !== undefined) throw this.#failure(handle.failure);
      const stuck = left > 0 && handle.inputLeft === left && handle.outputLeft > 0;
      if (stuck && handle.output.length - handle.outputLeft === handle.outputAt) {
        throw this.#options.fault("ERR_LAYER_CORRUPT", "bad zstd data (a frame longer than it is)");
      }
      left = handle.inputLeft;
      handle.outputAt = handle.output.length - handle.outputLeft;
      if (handle.outputLeft > 0 && left === 0) return;
      if (handle.outputLeft === 0) this.#emit();
    }
  }

  #emit(): void {
    const handle = this.#handle;
    const length = handle.outputAt;
    handle.outputAt = 0;
    if (length > 0) this.#options.output(handle.output.subarray(0, length));
  }

  #failure({ code, message }: { readonly code: string; readonly message: string }): ImportError {
    const { fault, limits } = this.#options;
    if (code === "ZSTD_error_frameParameter_windowTooLarge") {
      const value = limits.zstdWindowBytes + 1;
      const problem = "a zstd frame wants a larger window";
      return limitFault(fault, limits, { limit: "zstdWindowBytes", value, problem });
    }
    return fault("ERR_LAYER_CORRUPT", `bad zstd data (${message})`, { details: { zstd: code } });
  }
}
