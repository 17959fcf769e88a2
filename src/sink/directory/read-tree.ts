import { fstatSync, lstatSync, readdirSync, readlinkSync, type BigIntStats } from "node:fs";
import { setImmediate } from "node:timers/promises";
import { throwIfCancelled } from "../../errors.ts";
import {
  pathOf,
  ROOT,
  S_IFBLK,
  S_IFCHR,
  S_IFMT,
  S_IFREG,
  type RootfsTree,
} from "../../rootfs/rootfs-tree.ts";
import { TreeBuilder, type InodeFacts } from "../../rootfs/tree-builder.ts";
import { omissionLines, Omissions } from "../omissions.ts";
import { PathBuffer } from "../path-buffer.ts";
import { DirectoriesBeneath } from "./directories-beneath.ts";
import { unreadable } from "./read-error.ts";
import { XattrReader } from "./read-xattrs.ts";

const S_IFSOCK = 0o140000;
const NANOSECONDS = 1_000_000_000n;
const HERE = new PathBuffer().setText(".");

/** Names read between two pauses: some milliseconds. */
const STEP = 512;

/**
 * Reads what is in a directory as a tree, with pauses in which the thread does other things. The body of a file is its first
 * name. Sockets have no place in an image, and what is mounted inside belongs to somebody else: both are left out and listed.
 * @param rootFd stays the caller's
 * @throws ImportError ERR_STORE_IO, ERR_LIMIT_EXCEEDED, ERR_CANCELLED
 */
export async function readTree(
  rootFd: number,
  { rootfsPath, signal }: { readonly rootfsPath: string; readonly signal: AbortSignal },
): Promise<{ readonly tree: RootfsTree; readonly omissions: readonly string[] }> {
  const scan = new TreeScan(rootFd);
  try {
    for (const _ of scan.steps()) {
      throwIfCancelled(signal);
      await setImmediate();
    }
    return scan.finish();
  } catch (error) {
    throw unreadable(error, scan.path, rootfsPath);
  } finally {
    scan.close();
  }
}

class TreeScan {
  readonly #builder = new TreeBuilder();
  readonly #omissions = new Omissions();
  readonly #xattrs = new XattrReader();
  readonly #rootFd: number;
  readonly #device: bigint;
  readonly #directories: DirectoriesBeneath;
  /** Inodes of several names, by their numbers on the disk. */
  readonly #shared = new Map<string, number>();
  readonly #component = new PathBuffer();
  /** Directories that are still to be read. */
  readonly #pending: number[] = [ROOT];
  #directory = ROOT;
  #read = 0;

  constructor(rootFd: number) {
    this.#rootFd = rootFd;
    this.#device = fstatSync(rootFd, { bigint: true }).dev;
    this.#directories = new DirectoriesBeneath(this.#builder.names, rootFd);
  }

  /** The directory that is being read, for messages. */
  get path(): Uint8Array {
    return pathOf(this.#builder.names, this.#directory);
  }

  *steps(): Generator<void, void, undefined> {
    const stats = fstatSync(this.#rootFd, { bigint: true });
    this.#builder.setRoot(this.#factsOf(this.#rootFd, HERE, stats));
    for (let next = this.#pending.pop(); next !== undefined; next = this.#pending.pop()) {
      this.#directory = next;
      yield* this.#readDirectory(next);
    }
  }

  finish(): { readonly tree: RootfsTree; readonly omissions: readonly string[] } {
    return { tree: this.#builder.finish(), omissions: omissionLines([this.#omissions]) };
  }

  close(): void {
    this.#directories.close();
  }

  *#readDirectory(directory: number): Generator<void, void, undefined> {
    const fd = this.#directories.open(directory);
    const prefix = Buffer.from(`/proc/self/fd/${fd}/`);
    for (const component of readdirSync(`/proc/self/fd/${fd}`, { encoding: "buffer" })) {
      const access = Buffer.concat([prefix, component]);
      const stats = lstatSync(access, { bigint: true });
      if (this.#isLeftOut(component, stats)) continue;
      this.#addName(directory, component, { fd, access, stats });
      if (++this.#read % STEP === 0) yield;
    }
  }

  #addName(
    directory: number,
    component: Buffer,
    found: { readonly fd: number; readonly access: Buffer; readonly stats: BigIntStats },
  ): void {
    const { fd, access, stats } = found;
    const isDirectory = stats.isDirectory();
    const isShared = !isDirectory && stats.nlink > 1n;
    const known = isShared ? this.#shared.get(identityOf(stats)) : undefined;
    if (known !== undefined) {
      this.#builder.addName(directory, component, known);
      return;
    }
    const path = this.#component.set(component);
    const facts = this.#factsOf(fd, path, stats);
    const target = stats.isSymbolicLink()
      ? readlinkSync(access, { encoding: "buffer" })
      : undefined;
    const inode = this.#builder.addInode(target === undefined ? facts : { ...facts, target });
    const name = this.#builder.addName(directory, component, inode);
    if (isDirectory) this.#pending.push(name);
    if (stats.isFile() && stats.size > 0n) this.#builder.setBody(inode, name);
    if (isShared) this.#shared.set(identityOf(stats), inode);
  }

  #isLeftOut(component: Buffer, stats: BigIntStats): boolean {
    const isSocket = (Number(stats.mode) & S_IFMT) === S_IFSOCK;
    // Of a file the device says nothing: overlayfs tells that of the layer which holds it.
    const isMount = stats.isDirectory() && stats.dev !== this.#device;
    if (!isSocket && !isMount) return false;
    const parts = this.#directory === ROOT ? [component] : [this.path, Buffer.from("/"), component];
    const what = isSocket ? "socket left out" : "left out, another file system is mounted there";
    this.#omissions.add(Buffer.concat(parts), what);
    return true;
  }

  #factsOf(dirFd: number, path: PathBuffer, stats: BigIntStats): InodeFacts {
    const mode = Number(stats.mode);
    const mtimeNanoseconds = ((stats.mtimeNs % NANOSECONDS) + NANOSECONDS) % NANOSECONDS;
    return {
      mode,
      uid: Number(stats.uid),
      gid: Number(stats.gid),
      mtimeSeconds: Number((stats.mtimeNs - mtimeNanoseconds) / NANOSECONDS),
      mtimeNanoseconds: Number(mtimeNanoseconds),
      xattrs: this.#xattrs.read(dirFd, path),
      ...((mode & S_IFMT) === S_IFREG ? { size: Number(stats.size) } : {}),
      ...(isDevice(mode) ? { device: deviceNumbers(stats.rdev) } : {}),
    };
  }
}

function identityOf({ dev, ino }: BigIntStats): string {
  return `${dev}:${ino}`;
}

function isDevice(mode: number): boolean {
  return (mode & S_IFMT) === S_IFCHR || (mode & S_IFMT) === S_IFBLK;
}

/** `gnu_dev_major` and `gnu_dev_minor` of what Linux holds: 12 and 20 bits. */
function deviceNumbers(rdev: bigint): readonly [number, number] {
  return [Number((rdev >> 8n) & 0xfffn), Number((rdev & 0xffn) | ((rdev >> 12n) & 0xfff00n))];
}
