import { closeSync, fstatSync, readSync } from "node:fs";
import { ImportError, printable } from "../../errors.ts";
import { nameBytesOf, pathOf, type RootfsTree } from "../../rootfs/rootfs-tree.ts";
import { PIECE_BYTES, type ContentPiece, type TreeReader } from "../../rootfs/tree-reader.ts";
import { errnoOf } from "../io-error.ts";
import { PathBuffer } from "../path-buffer.ts";
import {
  chmodHandle,
  closeFd,
  nextDataFd,
  openAt,
  OPEN_FILE,
  OPEN_HANDLE,
  posixAvailable,
} from "../posix.ts";
import { openDirectory } from "../private-directory.ts";
import { DirectoriesBeneath } from "./directories-beneath.ts";
import { changedWhileRead, unreadable } from "./read-error.ts";
import { readTree } from "./read-tree.ts";

const STAT_BLOCK = 512;
const OWNER_READS = 0o400;

/**
 * Reads a root filesystem that lies in a directory. Every name is looked up in its open directory and no link is followed:
 * whoever runs in that root may change it meanwhile, which can spoil the result but not lead out.
 * @throws ImportError ERR_STORE_IO, naming what cannot be read; ERR_NOT_PERMITTED, ERR_CANCELLED
 */
export async function openDirectoryReader(
  rootfsPath: string,
  signal: AbortSignal,
): Promise<TreeReader> {
  requirePosix(rootfsPath);
  const rootFd = openRoot(rootfsPath);
  try {
    const found = await readTree(rootFd, { rootfsPath, signal });
    return new DirectoryReader(rootFd, rootfsPath, found);
  } catch (error) {
    closeSync(rootFd);
    throw error;
  }
}

function requirePosix(rootfsPath: string): void {
  if (posixAvailable()) return;
  throw new ImportError(
    "ERR_NOT_PERMITTED",
    `the directory ${printable(rootfsPath, 4096)} cannot be read on this system: it takes a 64-bit Linux with koffi's binary for it`,
    {
      hint: "Install with optional dependencies (npm ci) on x64, arm64, riscv64 or loong64 Linux.",
    },
  );
}

function openRoot(rootfsPath: string): number {
  try {
    return openDirectory(rootfsPath);
  } catch (error) {
    throw unreadable(error, Buffer.alloc(0), rootfsPath);
  }
}

class DirectoryReader implements TreeReader {
  readonly tree: RootfsTree;
  readonly omissions: readonly string[];
  readonly #rootfsPath: string;
  readonly #rootFd: number;
  readonly #directories: DirectoriesBeneath;
  readonly #name = new PathBuffer();
  #buffer: Buffer | undefined;
  #closed = false;

  constructor(rootFd: number, rootfsPath: string, found: Pick<TreeReader, "tree" | "omissions">) {
    this.#rootFd = rootFd;
    this.#rootfsPath = rootfsPath;
    this.tree = found.tree;
    this.omissions = found.omissions;
    this.#directories = new DirectoriesBeneath(this.tree, rootFd);
  }

  *contents(inode: number): Generator<ContentPiece, void, undefined> {
    // A body's number is the first name of its inode.
    const name = this.tree.bodies[inode]!;
    if (name < 0) return;
    const size = this.tree.sizes[inode]!;
    const fd = this.#readable(name, () => this.#open(name));
    try {
      const stats = fstatSync(fd);
      if (!stats.isFile() || stats.size !== size) throw this.#changed(name);
      yield* stats.blocks * STAT_BLOCK < size
        ? this.#sparsePieces(fd, name, size)
        : this.#pieces(fd, name, { start: 0, end: size });
    } finally {
      closeFd(fd);
    }
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#directories.close();
    closeSync(this.#rootFd);
  }

  *#sparsePieces(fd: number, name: number, size: number): Generator<ContentPiece> {
    for (let at = 0; at < size;) {
      const data = this.#readable(name, () => nextDataFd(fd, at)) ?? { start: size, end: size };
      const start = Math.min(data.start, size);
      if (start > at) yield start - at;
      const end = Math.min(data.end, size);
      yield* this.#pieces(fd, name, { start, end });
      at = end;
    }
  }

  *#pieces(
    fd: number,
    name: number,
    { start, end }: { readonly start: number; readonly end: number },
  ): Generator<ContentPiece> {
    this.#buffer ??= Buffer.allocUnsafe(PIECE_BYTES);
    const buffer = this.#buffer;
    for (let at = start; at < end;) {
      const wanted = Math.min(PIECE_BYTES, end - at);
      const length = this.#readable(name, () => readSync(fd, buffer, 0, wanted, at));
      if (length === 0) throw this.#changed(name);
      yield buffer.subarray(0, length);
      at += length;
    }
  }

  #open(name: number): number {
    const dirFd = this.#directories.open(this.tree.parents[name]!);
    const path = this.#name.set(nameBytesOf(this.tree, name));
    try {
      return openAt(dirFd, path, OPEN_FILE);
    } catch (error) {
      if (errnoOf(error) !== "EACCES") throw error;
      return this.#openOwn(dirFd, path, name);
    }
  }

  /** A file of this user that the image made unreadable, like a shadow file of mode 0: readable while it is opened. */
  #openOwn(dirFd: number, path: PathBuffer, name: number): number {
    const mode = this.tree.modes[this.tree.inodes[name]!]! & 0o7777;
    const handle = openAt(dirFd, path, OPEN_HANDLE);
    try {
      chmodHandle(handle, mode | OWNER_READS);
      try {
        return openAt(dirFd, path, OPEN_FILE);
      } finally {
        chmodHandle(handle, mode);
      }
    } finally {
      closeFd(handle);
    }
  }

  #readable<T>(name: number, action: () => T): T {
    try {
      return action();
    } catch (error) {
      throw unreadable(error, pathOf(this.tree, name), this.#rootfsPath);
    }
  }

  #changed(name: number): ImportError {
    return changedWhileRead(pathOf(this.tree, name));
  }
}
