/** What an entry of a layer is. `whiteout` and `opaque` are decisions by name (image-spec layer.md), not tar types. */
export const EntryType = {
  file: 0,
  directory: 1,
  symlink: 2,
  hardlink: 3,
  character: 4,
  block: 5,
  fifo: 6,
  /** `path` is the hidden object: `.wh.` is already cut off. */
  whiteout: 7,
  /** `path` is the directory whose lower children are hidden; empty for the root. */
  opaque: 8,
} as const;
export type EntryType = (typeof EntryType)[keyof typeof EntryType];

/** No body was placed: not a file, or a file of zero bytes. */
export const NO_BODY = -1;

/**
 * Entries of one layer in archive order, as a struct of arrays whose buffers are transferred between threads.
 * Entry `i` of `count` reads `types[i]`, `modes[i]` …; variable parts are slices of `bytes`.
 *
 * Paths are clean: components joined by one `/`, no empty, `.` or `..` ones, no slash at either end; the root is the
 * empty path. They are bytes, of at most `limits.pathBytes`, each component of 1 … `limits.componentBytes`.
 */
export interface EntryBatch {
  readonly count: number;
  readonly types: Uint8Array;
  /** Permission bits, `& 07777`. */
  readonly modes: Uint16Array;
  readonly uids: Uint32Array;
  readonly gids: Uint32Array;
  /** Whole seconds since 1970, rounded down, so that nanoseconds are never negative. An integer, maybe beyond 2^53. */
  readonly mtimeSeconds: Float64Array;
  readonly mtimeNanoseconds: Uint32Array;
  /** Of a file's contents, holes included; 0 for everything else. */
  readonly sizes: Float64Array;
  /** The placer's `BodyRef`, or NO_BODY. */
  readonly bodies: Float64Array;
  readonly deviceMajors: Uint32Array;
  readonly deviceMinors: Uint32Array;
  /** `bytes.subarray(pathOffsets[i], pathOffsets[i] + pathLengths[i])`. */
  readonly pathOffsets: Uint32Array;
  readonly pathLengths: Uint32Array;
  /** Symlink: the target byte for byte. Hard link: the clean path of the target. Else length 0. */
  readonly linkOffsets: Uint32Array;
  readonly linkLengths: Uint32Array;
  /** An encoded list (`xattr-list.ts`) sorted by name, or length 0 for none. */
  readonly xattrOffsets: Uint32Array;
  readonly xattrLengths: Uint32Array;
  readonly bytes: Uint8Array;
}
