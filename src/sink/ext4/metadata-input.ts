import type { RootfsTree } from "../../rootfs/rootfs-tree.ts";
import type { BodyMap } from "../body-map.ts";
import type { ImageFile } from "../image-file.ts";
import type { Ext4Geometry } from "./geometry.ts";

/** What makes one file system different from another with the same tree. */
export interface Ext4Identity {
  /** 16 bytes. */
  readonly uuid: Uint8Array;
  /** 16 bytes, not all of them 0. */
  readonly hashSeed: Uint8Array;
  /** The time of everything that no layer names: superblock, journal, `lost+found`. Not ahead of the clock, or e2fsck says so. */
  readonly epochSeconds: number;
  /** At most 16 bytes. */
  readonly label: string;
}

export interface Ext4MetadataInput {
  readonly file: ImageFile;
  readonly tree: RootfsTree;
  readonly geometry: Ext4Geometry;
  readonly bodies: BodyMap;
  /** Past the last block that any layer's stream was dealt. From here on the file was never written. */
  readonly firstFreeBlock: number;
  readonly identity: Ext4Identity;
  /** Asked every few milliseconds. */
  isCancelled(): boolean;
}

export interface Ext4MetadataResult {
  /** Blocks in use: bodies, metadata, journal, inode tables. */
  readonly usedBlocks: number;
  /** Blocks of the file system. */
  readonly blocks: number;
  /** Inodes in use, the reserved ones included. */
  readonly inodes: number;
  /** Extended attributes that ext4 has no place for, by path; like `SealedRootfs.omissions`. */
  readonly omissions: readonly string[];
}
