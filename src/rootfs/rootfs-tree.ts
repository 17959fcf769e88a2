import { decodeXattrs, type Xattr } from "../layer/xattr-list.ts";

export type { Xattr };

/** No name, no inode, end of a list. */
export const NONE = 0xffff_ffff;
/** The root directory is name 0 and inode 0. */
export const ROOT = 0;

/** File types in the upper bits of `modes` (inode(7), `S_IFMT`). */
export const S_IFMT = 0o170000;
export const S_IFIFO = 0o010000;
export const S_IFCHR = 0o020000;
export const S_IFDIR = 0o040000;
export const S_IFBLK = 0o060000;
export const S_IFREG = 0o100000;
export const S_IFLNK = 0o120000;

/**
 * The merged root filesystem: names (directory entries) and inodes, each a struct of arrays over SharedArrayBuffers, so
 * that `postMessage` shares it with workers instead of copying it. Plain data: the functions are beside it.
 *
 * Names that were removed stay as gaps: walk from ROOT along `firstChildren` and `nextSiblings`, never over the arrays.
 * Only the first `nameCount` and `inodeCount` elements mean anything.
 */
export interface RootfsTree {
  readonly nameCount: number;
  /** ROOT's parent is ROOT. */
  readonly parents: Uint32Array;
  readonly firstChildren: Uint32Array;
  readonly nextSiblings: Uint32Array;
  /** The inode of a name; several names of one inode are hard links. */
  readonly inodes: Uint32Array;
  /** The component's bytes: `nameBytes.subarray(nameOffsets[n], nameOffsets[n] + nameLengths[n])`; ROOT's is empty. */
  readonly nameOffsets: Uint32Array;
  readonly nameLengths: Uint8Array;
  readonly nameBytes: Uint8Array;

  readonly inodeCount: number;
  /** Type (`S_IFMT`) and permission bits. */
  readonly modes: Uint16Array;
  readonly uids: Uint32Array;
  readonly gids: Uint32Array;
  readonly mtimeSeconds: Float64Array;
  readonly mtimeNanoseconds: Uint32Array;
  /** Names of the inode; 1 for a directory, 0 for an inode that is gone. */
  readonly linkCounts: Uint32Array;
  /** File: bytes of its contents, holes included. Else 0. */
  readonly sizes: Float64Array;
  /** File: the placed body (`BodyRef`), or -1 for an empty file. Else -1. */
  readonly bodies: Float64Array;
  /** Symlink: offset of its target in `blobBytes`. Device: major number. */
  readonly linkOffsetsOrMajors: Uint32Array;
  /** Symlink: length of its target. Device: minor number. */
  readonly linkLengthsOrMinors: Uint32Array;
  /** An encoded xattr list (`layer/xattr-list.ts`) in `blobBytes`; length 0 for none. */
  readonly xattrOffsets: Uint32Array;
  readonly xattrLengths: Uint32Array;
  /** The layer whose entry made the inode, for messages and for `adjusted`. */
  readonly layers: Uint16Array;
  /** 1: mode, owner or mtime are no longer those that the placer of the body was told (a hard-link entry changed them). */
  readonly adjusted: Uint8Array;
  readonly blobBytes: Uint8Array;

  /** Live names, ROOT included. */
  readonly entries: number;
  /** The sum of `sizes` over live inodes. */
  readonly contentBytes: number;
}

/** What names and paths are read from. */
export type NamedTree = Pick<RootfsTree, "parents" | "nameOffsets" | "nameLengths" | "nameBytes">;

/** The component's bytes: a view, valid as long as the tree. */
export function nameBytesOf(tree: NamedTree, name: number): Uint8Array {
  const offset = tree.nameOffsets[name]!;
  return tree.nameBytes.subarray(offset, offset + tree.nameLengths[name]!);
}

/** The whole path from the root, `/`-separated without a leading slash; empty for ROOT. For messages, not for hot loops. */
export function pathOf(tree: NamedTree, name: number): Buffer {
  let length = -1;
  for (let at = name; at !== ROOT; at = tree.parents[at]!) length += 1 + tree.nameLengths[at]!;
  const path = Buffer.alloc(Math.max(0, length), "/");
  for (let at = name, end = length; at !== ROOT; at = tree.parents[at]!) {
    const component = nameBytesOf(tree, at);
    end -= component.length;
    path.set(component, end);
    end -= 1;
  }
  return path;
}

export function typeOf(tree: RootfsTree, inode: number): number {
  return tree.modes[inode]! & S_IFMT;
}

/** A symlink's target, byte for byte. */
export function linkTargetOf(tree: RootfsTree, inode: number): Uint8Array {
  const offset = tree.linkOffsetsOrMajors[inode]!;
  return tree.blobBytes.subarray(offset, offset + tree.linkLengthsOrMinors[inode]!);
}

/** The encoded xattr list of an inode; empty for none. */
export function xattrsOf(tree: RootfsTree, inode: number): Uint8Array {
  const offset = tree.xattrOffsets[inode]!;
  return tree.blobBytes.subarray(offset, offset + tree.xattrLengths[inode]!);
}

/** The extended attributes of an inode, sorted by name; names and values are views, valid as long as the tree. */
export function xattrListOf(tree: RootfsTree, inode: number): Xattr[] {
  return tree.xattrLengths[inode] === 0 ? [] : decodeXattrs(xattrsOf(tree, inode));
}

/**
 * The name after `name` in pre-order (a directory before what is in it), NONE after the last. Needs no stack, so that
 * depth costs nothing: `for (let name = ROOT; name !== NONE; name = nextName(tree, name))`.
 */
export function nextName(tree: RootfsTree, name: number): number {
  const child = tree.firstChildren[name]!;
  if (child !== NONE) return child;
  for (let at = name; at !== ROOT; at = tree.parents[at]!) {
    const sibling = tree.nextSiblings[at]!;
    if (sibling !== NONE) return sibling;
  }
  return NONE;
}
