import type { FileType } from "../image-reader/file-type.ts";

/** What is known of a file without its contents. */
export interface FileFacts {
  readonly type: FileType;
  /** 0 to 07777. */
  readonly permissions: number;
  readonly uid: number;
  readonly gid: number;
  /** Of a file its bytes, holes included; of a link those of its target; else 0. */
  readonly sizeBytes: number;
  readonly links: number;
  readonly mtime: { readonly seconds: number; readonly nanoseconds: number };
  /** Of a device. */
  readonly device?: { readonly major: number; readonly minor: number };
}

/** One file of a root filesystem: `N` is what the form it is kept in knows it by. */
export interface RootFile<N> {
  readonly node: N;
  readonly facts: FileFacts;
}

/** A name in a directory. `id` means something to its `RootFiles` only: it makes `named` cheap. */
export interface FileName {
  readonly name: Buffer;
  readonly id: number;
}

/**
 * A root filesystem that is looked into, in whatever form it is kept. Nothing here follows a link or leaves the root; what
 * fails, fails with ERR_SNAPSHOT_DAMAGED or ERR_STORE_IO.
 */
export interface RootFiles<N> {
  readonly root: RootFile<N>;
  /** @returns undefined when the directory has no such name */
  child(directory: RootFile<N>, name: Buffer): RootFile<N> | undefined;
  /** Without `.` and `..`, in any order; each its own copy. */
  names(directory: RootFile<N>): Iterable<FileName>;
  /** @param name one of its `names` @returns undefined when it is gone */
  named(directory: RootFile<N>, name: FileName): RootFile<N> | undefined;
  /** Of a symlink. */
  target(link: RootFile<N>): Buffer;
  /** Of a regular file; chunks belong to whoever takes them. */
  contents(file: RootFile<N>): AsyncIterable<Uint8Array>;
  close(): Promise<void>;
}
