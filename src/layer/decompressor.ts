import type { LayerFault } from "./fault.ts";
import type { Limits } from "../limits.ts";

/**
 * Output leaves in pieces of at most this. Large, because each costs a call of every later step; small enough that they
 * find it in the second-level cache (fast-pull: 16 KiB cost a factor of five).
 */
export const OUTPUT_BYTES: number = 1 << 20;

let shared: Uint8Array | undefined;

/**
 * Where the decompressors of one thread write: each hands on what is there before its call returns. A thousand small layers
 * would leave a gibibyte of buffers to the collector, which does not see how large they are.
 */
export function sharedOutput(): Uint8Array {
  shared ??= new Uint8Array(OUTPUT_BYTES);
  return shared;
}

/** Compressed bytes in, plain bytes out, synchronously. */
export interface Decompressor {
  /** @throws ImportError ERR_LAYER_CORRUPT, ERR_LIMIT_EXCEEDED, and whatever `output` throws */
  write(chunk: Uint8Array): void;
  /** @throws ImportError ERR_LAYER_TRUNCATED when the stream is not complete */
  end(): void;
  /** Frees native memory. Any number of times. */
  close(): void;
  /** How much of the input is what the output so far came from, where it works ahead; else all that was written. */
  readonly inputBytes?: number;
}

export interface DecompressorOptions {
  readonly fault: LayerFault;
  readonly limits: Limits;
  /** The next plain bytes: a view that the next call overwrites. */
  readonly output: (bytes: Uint8Array) => void;
  /** Asked for where to write before each call, `OUTPUT_BYTES` long. Default: `sharedOutput`. */
  readonly room?: () => Uint8Array;
}

/** For what is not compressed. */
export function createPlainStream({ output }: DecompressorOptions): Decompressor {
  return { write: output, end: () => undefined, close: () => undefined };
}
