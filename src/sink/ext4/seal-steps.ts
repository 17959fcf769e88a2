import type { RootfsTree } from "../../rootfs/rootfs-tree.ts";
import type { PlacedLayer } from "../body-map.ts";
import type { BlockRange, Ext4Geometry } from "./geometry.ts";
import type { Ext4Identity } from "./metadata-input.ts";
import type { ChecksummedRanges } from "../written-ranges.ts";

/** What the metadata of an image is made from: plain data, the arrays of the tree in shared memory. */
export interface Ext4SealWork {
  readonly imagePath: string;
  readonly geometry: Ext4Geometry;
  readonly identity: Ext4Identity;
  readonly tree: RootfsTree;
  readonly layers: readonly PlacedLayer[];
  /** Past the last block of any layer. */
  readonly firstFreeBlock: number;
  /** What only failed attempts have written; no layer has it, and it may lie behind all of them. */
  readonly leftovers: readonly BlockRange[];
  /** One element; not 0 once the import is cancelled. */
  readonly cancelled: Int32Array;
}

/** One after the other. */
export type Ext4SealTask =
  /** Frees what no file has, and writes everything but the superblock. */
  | { readonly type: "metadata"; readonly work: Ext4SealWork }
  /** The layers do not fit: finds out what would, and fails. Their layouts go on beyond the end of the disk. */
  | { readonly type: "measure"; readonly work: Ext4SealWork; readonly bodyBlocks: number }
  /** Makes the file a file system: what is in it first, when that is wanted on the disk, then its superblock. */
  | {
      readonly type: "superblock";
      readonly imagePath: string;
      readonly superblock: Uint8Array;
      readonly fsync: boolean;
    };

export interface Ext4SealResult {
  readonly kind: "ext4-seal";
  readonly omissions: readonly string[];
  readonly superblock: Uint8Array;
  readonly checksums: ChecksummedRanges;
}
