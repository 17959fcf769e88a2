import type { RootfsTree } from "../../rootfs/rootfs-tree.ts";
import type { PlacedLayer } from "../body-map.ts";
import type { ImageIdentity } from "../image-identity.ts";
import type { BlockRange } from "../run-plan.ts";
import type { ChecksummedRanges } from "../written-ranges.ts";

/** What the metadata of an image is made from: plain data, the arrays of the tree in shared memory. */
export interface ErofsSealWork {
  readonly imagePath: string;
  readonly identity: ImageIdentity;
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
export type ErofsSealTask =
  /** Frees what no file has, and writes everything but the superblock. */
  | { readonly type: "metadata"; readonly work: ErofsSealWork }
  /** Makes the file a file system: what is in it first, when that is wanted on the disk, then its superblock. */
  | {
      readonly type: "superblock";
      readonly imagePath: string;
      readonly superblock: Uint8Array;
      readonly fsync: boolean;
    };

export interface ErofsSealResult {
  readonly kind: "erofs-seal";
  /** Of the image. */
  readonly blocks: number;
  readonly omissions: readonly string[];
  readonly superblock: Uint8Array;
  readonly checksums: ChecksummedRanges;
}
