import type { RootfsTree } from "./rootfs-tree.ts";

/** A piece of a file's contents: bytes, valid until the next piece is asked for; or the length of a hole, which reads as zeros. */
export type ContentPiece = Uint8Array | number;

/** The most bytes of one piece; holes may be longer. */
export const PIECE_BYTES: number = 1 << 20;

/** A finished root filesystem that can be read, in whatever form it is kept: a directory, a disk image, an archive. */
export interface TreeReader {
  /**
   * All names and inodes. `bodies` mean something to this reader only, beyond what `RootfsTree` says (-1: an empty file);
   * the order of children says nothing, and `layers` and `adjusted` are 0.
   */
  readonly tree: RootfsTree;
  /** What is there and cannot be in a tree (sockets), or in an image (labels of this machine): by path, ready to be shown. */
  readonly omissions: readonly string[];
  /**
   * The contents of a file of the tree, `sizes[inode]` bytes in all, read while they are asked for; one file at a
   * time. Whoever stops early returns the iterator (`for … of` does).
   * @throws ImportError ERR_STORE_IO when the bytes cannot be read, or are not those that `tree` was made of
   */
  contents(inode: number): Iterable<ContentPiece>;
  /** Any number of times. */
  close(): Promise<void>;
}

/** What an archive, or a sink, is filled from. */
export type TreeSource = Pick<TreeReader, "tree" | "contents">;
