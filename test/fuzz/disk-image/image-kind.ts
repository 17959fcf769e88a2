import type { VolumeReport } from "../../../src/image-reader/volume-report.ts";
import type { TreeReader } from "../../../src/rootfs/tree-reader.ts";

/** Bytes of an image. */
export interface Range {
  readonly start: number;
  readonly length: number;
}

/** A part of an image's metadata. */
export interface Structure extends Range {
  /** Each kind is hit as often as the others, however many of it there are. */
  readonly kind: string;
  /** The group or the inode that it belongs to. */
  readonly owner: number;
}

export interface ImageMap {
  readonly structures: readonly Structure[];
  readonly blockSize: number;
  /**
   * Corrects the checksums of what a mutation touched, so that the reader does not stop at them.
   * @returns the structures whose bytes may have changed by that
   */
  readonly fixChecksums: (bytes: Buffer, touched: readonly Structure[]) => readonly Range[];
}

/** A format of disk images as the fuzzer needs it. */
export interface ImageKind {
  readonly name: string;
  /** Small images with structures of every kind. @returns their paths */
  readonly makeImages: (folder: string) => Promise<readonly string[]>;
  readonly mapImage: (imagePath: string) => Promise<ImageMap>;
  readonly verify: (imagePath: string, signal: AbortSignal) => Promise<VolumeReport>;
  /** Reads everything that it shows. */
  readonly readImage: (imagePath: string, signal: AbortSignal) => Promise<void>;
  readonly openTree: (imagePath: string, signal: AbortSignal) => Promise<TreeReader>;
}
