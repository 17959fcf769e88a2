import type { EntryBatch } from "../layer/entry-batch.ts";
import type { ImportError } from "../errors.ts";
import type { Limits } from "../limits.ts";
import type { LayerFailure } from "./layer-failure.ts";
import type { MergeTree } from "./merge-tree.ts";
import { Walk, type PathWalker } from "./path-walker.ts";
import { pathOf, S_IFBLK, S_IFCHR, S_IFDIR, S_IFIFO, S_IFLNK, S_IFREG } from "./rootfs-tree.ts";

const SLASH = 0x2f;

/** What the steps of a merge share while one layer is applied. */
export interface MergeContext {
  readonly tree: MergeTree;
  readonly walker: PathWalker;
  readonly limits: Limits;
  /** 0 is the base layer. */
  readonly layer: number;
  readonly failure: LayerFailure;
}

export function pathOfEntry(batch: EntryBatch, i: number): Uint8Array {
  const start = batch.pathOffsets[i]!;
  return batch.bytes.subarray(start, start + batch.pathLengths[i]!);
}

export function linkOfEntry(batch: EntryBatch, i: number): Uint8Array {
  const start = batch.linkOffsets[i]!;
  return batch.bytes.subarray(start, start + batch.linkLengths[i]!);
}

/** Where the last component of `bytes[start, end)` begins. The directory part ends one before it, or is empty. */
export function lastComponent(bytes: Uint8Array, start: number, end: number): number {
  let at = end;
  while (at > start && bytes[at - 1] !== SLASH) at--;
  return at;
}

/** Walks to the directory part of a path whose last component begins at `from`. */
export function walkToParent(
  walker: PathWalker,
  bytes: Uint8Array,
  start: number,
  from: number,
): Walk {
  return walker.walk(bytes, start, from === start ? start : from - 1);
}

/** What the walk's outcome means for the path that was to be reached; not for `found` and `missing`. */
export function walkFailure(context: MergeContext, outcome: Walk, path: Uint8Array): ImportError {
  const { tree, walker, limits, failure } = context;
  if (outcome === Walk.notDirectory) {
    const kind = kindOf(tree.inodes.typeOf(tree.names.inodes[walker.blocker]!));
    return failure.notADirectory(path, pathOf(tree.names, walker.blocker), kind);
  }
  if (outcome === Walk.loop) return failure.linkLoop(path);
  const what = "goes through link targets that are too long, too often";
  const value = limits.symlinksFollowed + 1;
  return failure.limit(path, { limit: "symlinksFollowed", value, what });
}

const KINDS: ReadonlyMap<number, string> = new Map([
  [S_IFREG, "a file"],
  [S_IFDIR, "a directory"],
  [S_IFLNK, "a symbolic link"],
  [S_IFCHR, "a character device"],
  [S_IFBLK, "a block device"],
  [S_IFIFO, "a FIFO"],
]);

/** @param type one of `S_IFMT` */
export function kindOf(type: number): string {
  return KINDS.get(type) ?? "something else";
}
