import type { StreamLayout } from "./run-plan.ts";
import type { BodyRef } from "./sink.ts";

/** Blocks of the disk; bodies begin on one. */
export const BLOCK_BYTES = 4096;
/** Blocks that a placer collects and writes at once, each with a checksum: 1 MiB. */
export const PIECE_BLOCKS = 256;

/** What a worker needs to place the bodies of one layer into an image file. */
export interface BlockPlacerPlan {
  readonly kind: "blocks";
  readonly layer: number;
  /** An existing file, as long as the disk. */
  readonly imagePath: string;
  /** The bodies of this plan have numbers from here on (`body-ref.ts`). */
  readonly firstBody: BodyRef;
  readonly layout: StreamLayout;
  /**
   * Element 0: blocks of the stream that may have been written, kept up to date before each write, so that it also holds
   * after a failure. Shared memory.
   */
  readonly written: Uint32Array;
}

/** What the placer of one layer has placed. */
export interface BlockPlacement {
  readonly kind: "blocks";
  /** Length of the layer's stream; what is beyond the room of its layout was counted, not written. */
  readonly blocks: number;
  /** CRC-32 (`zlib.crc32`) of each write: the extents of each piece of `PIECE_BLOCKS`, in the order of the stream. */
  readonly checksums: Uint32Array;
  readonly sparse: SparseBodies;
}

/**
 * Bodies with holes. Body n has the segments from `ends[n - 1]` (0 for the first) to `ends[n]`; its blocks follow each
 * other in the stream, from `firstBlocks[n]` on.
 */
export interface SparseBodies {
  readonly firstBlocks: Uint32Array;
  readonly ends: Uint32Array;
  /** Pairs, ascending: first block in the file, number of blocks. What lies between segments is a hole. */
  readonly segments: Uint32Array;
}
