import type { Digest } from "../oci/digest.ts";
import type { Limits } from "../limits.ts";
import type { StageClock } from "../timing/stage-clock.ts";
import type { Decompressor, DecompressorOptions } from "./decompressor.ts";
import type { EntryBatch } from "./entry-batch.ts";

/** Where file bodies go, in archive order; what a sink's `BodyPlacer` is to the decoder. See `sink/sink.ts` for the contract. */
export interface BodyTarget {
  begin(
    sizeBytes: number,
    attributes: {
      readonly mode: number;
      readonly uid: number;
      readonly gid: number;
      readonly mtimeSeconds: number;
      readonly mtimeNanoseconds: number;
    },
  ): void;
  write(chunk: Uint8Array): void;
  skip(sizeBytes: number): void;
  end(): number;
}

export interface LayerDecoderOptions {
  /** Begins every message: `layer 3 of 4 of ghcr.io/org/app:1.2` (`layerLabel`). */
  readonly label: string;
  /** 0 is the base layer; goes into `details.layer` counted from 1. */
  readonly layer: number;
  /** Of the compressed bytes. */
  readonly digest: Digest;
  readonly sizeBytes: number;
  /** Of the uncompressed bytes. */
  readonly diffId: Digest;
  readonly limits: Limits;
  readonly bodies: BodyTarget;
  /** Called with runs of a few thousand entries, in archive order; every buffer of a batch is its own and may be transferred. */
  readonly onBatch: (batch: EntryBatch) => void;
  /** Called with each mebibyte of the archive at most, before it is walked; what it throws ends the layer at once. */
  readonly onOutput?: (soFar: DecodedSoFar) => void;
  /** What decompresses the layer; default: `createGzipStream` and `createZstdStream`, on this thread. */
  readonly createStream?: (
    compression: "gzip" | "zstd",
    options: DecompressorOptions,
  ) => Decompressor;
  /** Told whose time it is; left while nothing is decoded. Whoever places bodies enters `place` himself. */
  readonly clock?: StageClock;
}

/** Below this much output no ratio is too high: small layers of zeros are harmless. */
export const RATIO_FREE_BYTES: number = 2 ** 30;

/** How far a layer has been decoded. */
export interface DecodedSoFar {
  readonly compressedBytes: number;
  readonly decodedBytes: number;
}

/**
 * Compressed bytes in, entries and bodies out, verified at the end: SHA-256 → decompress → SHA-256 → tar walk → place, in
 * one pass, synchronously.
 */
export interface LayerDecoder extends DecodedSoFar {
  /**
   * The next compressed bytes; borrowed, the caller reuses them after the call. Damage that a transfer error would
   * explain (ERR_LAYER_CORRUPT, ERR_LAYER_TRUNCATED and the like) is kept until `finish`, which prefers ERR_DIGEST_MISMATCH
   * when the bytes were not the layer's: then nothing is decoded any more, only hashed.
   * @throws ImportError ERR_LIMIT_EXCEEDED, ERR_DISK_FULL and what else does not depend on the digest, at once
   */
  push(chunk: Uint8Array): void;
  /** The end of the bytes. @throws ImportError ERR_SIZE_MISMATCH, ERR_DIGEST_MISMATCH, the kept error, ERR_LAYER_TRUNCATED, ERR_DIFF_ID_MISMATCH; in that order */
  finish(): LayerSummary;
  /** Frees native handles. Safe at any time, more than once. */
  close(): void;
  /** For progress. */
  readonly entries: number;
}

export interface LayerSummary {
  readonly compression: "gzip" | "zstd" | "none";
  readonly compressedBytes: number;
  readonly decodedBytes: number;
  readonly entries: number;
  /** How many bodies were placed. */
  readonly bodies: number;
  /** Bytes given to `bodies`, holes not counted. */
  readonly bodyBytes: number;
}
