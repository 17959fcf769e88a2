import type { RootfsTree } from "../../rootfs/rootfs-tree.ts";
import type { BodyRef } from "../sink.ts";
import type { Ext4Geometry } from "./geometry.ts";

/** Blocks of a file that follow each other on the disk. A hole is what no extent covers. */
export interface Extent {
  /** Block of the file. */
  readonly logicalBlock: number;
  /** Block of the disk. */
  readonly physicalBlock: number;
  readonly blocks: number;
}

/** Where the placed bodies lie. */
export interface BodyMap {
  /** The extents of one body, ascending by `logicalBlock`, of any length; those that touch need not be joined. */
  extentsOf(body: BodyRef, sizeBytes: number): readonly Extent[];
}

/** The image file, at positions in bytes. Both throw what `ioError` makes of a failed call. */
export interface ImageFile {
  /** Writes all of `bytes`. Borrowed: the caller reuses them at once. */
  write(bytes: Uint8Array, position: number): void;
  /**
   * From now on these blocks read as zeros: they are punched out of the file, or, where that cannot be had, overwritten.
   * Called for every run of blocks below `firstFreeBlock` that no body of the tree uses, also for runs that were never
   * written, in ascending order and before anything else is written. So nothing that a layer deleted stays readable.
   */
  release(firstBlock: number, blocks: number): void;
}

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
