import {
  closeSync,
  fstatSync,
  lstatSync,
  read,
  readdirSync,
  readlinkSync,
  type BigIntStats,
} from "node:fs";
import { promisify } from "node:util";
import type { FileType } from "../image-reader/file-type.ts";
import { changedWhileRead, unreadable } from "../sink/directory/read-error.ts";
import { errnoOf } from "../sink/io-error.ts";
import { PathBuffer } from "../sink/path-buffer.ts";
import { openAt, OPEN_DIRECTORY, OPEN_FILE } from "../sink/posix.ts";
import { openDirectory } from "../sink/private-directory.ts";
import type { FileFacts, FileName, RootFile, RootFiles } from "./root-files.ts";

const CHUNK_BYTES = 1 << 18;
const NANOSECONDS = 1_000_000_000n;
const readAsync = promisify(read);

/** A file by the components of its path from the root. */
type PathNode = readonly Buffer[];

/**
 * Looks into a directory of this machine. Every component is opened below the one before, and no link is followed: whoever
 * runs in that root may change it meanwhile, which can spoil what is read but not lead out.
 * @throws ImportError ERR_STORE_IO
 */
export class DirectoryFiles implements RootFiles<PathNode> {
  readonly root: RootFile<PathNode>;
  readonly #rootfsPath: string;
  readonly #rootFd: number;
  readonly #name = new PathBuffer();
  /** The directory whose children are asked for, mostly one after the other. */
  #open: { readonly path: PathNode; readonly fd: number } | undefined;

  constructor(rootfsPath: string) {
    this.#rootfsPath = rootfsPath;
    this.#rootFd = this.#attempt([], () => openDirectory(rootfsPath));
    const stats = fstatSync(this.#rootFd, { bigint: true });
    this.root = { node: [], facts: factsOf(stats) };
  }

  child({ node }: RootFile<PathNode>, name: Buffer): RootFile<PathNode> | undefined {
    const path = [...node, name];
    // Linux has no longer names; `lstat` would say ENAMETOOLONG.
    if (name.length > 255 || name.includes(0)) return undefined;
    try {
      const stats = lstatSync(this.#access(node, name), { bigint: true });
      return { node: path, facts: factsOf(stats) };
    } catch (error) {
      if (errnoOf(error) === "ENOENT") return undefined;
      throw unreadable(error, joined(path), this.#rootfsPath);
    }
  }

  names({ node }: RootFile<PathNode>): Iterable<FileName> {
    return this.#attempt(node, () =>
      readdirSync(`/proc/self/fd/${this.#directory(node)}`, { encoding: "buffer" }).map((name) => ({
        name,
        id: 0,
      })),
    );
  }

  named(directory: RootFile<PathNode>, { name }: FileName): RootFile<PathNode> | undefined {
    return this.child(directory, name);
  }

  target({ node }: RootFile<PathNode>): Buffer {
    const [parent, name] = split(node);
    return this.#attempt(node, () =>
      readlinkSync(this.#access(parent, name), { encoding: "buffer" }),
    );
  }

  async *contents({ node }: RootFile<PathNode>): AsyncGenerator<Uint8Array, void, undefined> {
    const [parent, name] = split(node);
    const fd = this.#attempt(node, () =>
      openAt(this.#directory(parent), this.#name.set(name), OPEN_FILE),
    );
    try {
      if (!fstatSync(fd).isFile()) throw changedWhileRead(joined(node));
      for (;;) {
        const chunk = Buffer.allocUnsafeSlow(CHUNK_BYTES);
        const { bytesRead } = await readAsync(fd, chunk, 0, CHUNK_BYTES, null);
        if (bytesRead === 0) return;
        yield chunk.subarray(0, bytesRead);
      }
    } catch (error) {
      throw unreadable(error, joined(node), this.#rootfsPath);
    } finally {
      closeSync(fd);
    }
  }

  close(): Promise<void> {
    this.#forget();
    closeSync(this.#rootFd);
    return Promise.resolve();
  }

  #access(directory: PathNode, name: Buffer): Buffer {
    return Buffer.concat([Buffer.from(`/proc/self/fd/${this.#directory(directory)}/`), name]);
  }

  /** Open until another one is asked for. */
  #directory(path: PathNode): number {
    if (path.length === 0) return this.#rootFd;
    if (this.#open !== undefined && isSame(this.#open.path, path)) return this.#open.fd;
    this.#forget();
    const fd = this.#attempt(path, () => {
      let at = this.#rootFd;
      for (const component of path) {
        try {
          const below = openAt(at, this.#name.set(component), OPEN_DIRECTORY);
          if (at !== this.#rootFd) closeSync(at);
          at = below;
        } catch (error) {
          if (at !== this.#rootFd) closeSync(at);
          throw error;
        }
      }
      return at;
    });
    this.#open = { path, fd };
    return fd;
  }

  #forget(): void {
    if (this.#open !== undefined) closeSync(this.#open.fd);
    this.#open = undefined;
  }

  #attempt<T>(path: PathNode, action: () => T): T {
    try {
      return action();
    } catch (error) {
      throw unreadable(error, joined(path), this.#rootfsPath);
    }
  }
}

/** Paths share the buffers of their components. */
function isSame(a: PathNode, b: PathNode): boolean {
  return a.length === b.length && a.every((component, at) => component === b[at]);
}

function split(path: PathNode): readonly [PathNode, Buffer] {
  return [path.slice(0, -1), path.at(-1) ?? Buffer.alloc(0)];
}

function joined(path: PathNode): Buffer {
  return Buffer.from(path.map((name) => name.toString("latin1")).join("/"), "latin1");
}

function factsOf(stats: BigIntStats): FileFacts {
  const type = typeOf(stats);
  const isDevice = type === "character-device" || type === "block-device";
  const hasSize = type === "file" || type === "symlink";
  const nanoseconds = ((stats.mtimeNs % NANOSECONDS) + NANOSECONDS) % NANOSECONDS;
  return {
    type,
    permissions: Number(stats.mode) & 0o7777,
    uid: Number(stats.uid),
    gid: Number(stats.gid),
    sizeBytes: hasSize ? Number(stats.size) : 0,
    links: Number(stats.nlink),
    mtime: {
      seconds: Number((stats.mtimeNs - nanoseconds) / NANOSECONDS),
      nanoseconds: Number(nanoseconds),
    },
    ...(isDevice ? { device: deviceOf(stats.rdev) } : {}),
  };
}

/** What Linux holds: 12 and 20 bits. */
function deviceOf(rdev: bigint): { readonly major: number; readonly minor: number } {
  return {
    major: Number((rdev >> 8n) & 0xfffn),
    minor: Number((rdev & 0xffn) | ((rdev >> 12n) & 0xfff00n)),
  };
}

function typeOf(stats: BigIntStats): FileType {
  if (stats.isFile()) return "file";
  if (stats.isDirectory()) return "directory";
  if (stats.isSymbolicLink()) return "symlink";
  if (stats.isCharacterDevice()) return "character-device";
  if (stats.isBlockDevice()) return "block-device";
  return stats.isFIFO() ? "fifo" : "socket";
}
