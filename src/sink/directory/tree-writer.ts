import { cancellation, printable } from "../../errors.ts";
import {
  nextName,
  NONE,
  pathOf,
  ROOT,
  S_IFDIR,
  typeOf,
  type RootfsTree,
} from "../../rootfs/rootfs-tree.ts";
import { errnoOf, ioError } from "../io-error.ts";
import { countProgress } from "../work-progress.ts";
import { PathBuffer } from "../path-buffer.ts";
import { closeFd, linkAt, makeDirectoryAt, openAt, OPEN_DIRECTORY } from "../posix.ts";
import { isDevice, type InodeSettler } from "./inode-settler.ts";
import { NameMaker } from "./name-maker.ts";
import { LastDirectory, OpenDirectories, openTreeDirectory } from "./open-directories.ts";
import { PlacedBodies } from "./placed-bodies.ts";
import { Role, type SealWork } from "./seal-steps.ts";

const BLOCK = 4096;
/** What a directory is made with: nobody else looks in before it is complete. */
const PRIVATE = 0o700;

/**
 * Writes names of the tree below an open root. A system call gets a directory that this import made and one component of
 * the tree, so no link is followed and no path can be too long.
 */
export class TreeWriter {
  readonly #work: SealWork;
  readonly #tree: RootfsTree;
  readonly #rootFd: number;
  readonly #settler: InodeSettler;
  readonly #bodies: PlacedBodies;
  readonly #maker: NameMaker;
  readonly #directories: OpenDirectories;
  readonly #name = new PathBuffer();
  #directoryCount = 0;

  constructor(parts: {
    readonly work: SealWork;
    readonly rootFd: number;
    readonly settler: InodeSettler;
  }) {
    const { work, rootFd, settler } = parts;
    this.#work = work;
    this.#tree = work.tree;
    this.#rootFd = rootFd;
    this.#settler = settler;
    this.#bodies = new PlacedBodies(work.bodiesPath);
    this.#maker = new NameMaker(work.tree, settler, this.#bodies);
    this.#directories = new OpenDirectories({
      tree: work.tree,
      rootFd,
      isLate: (name) => (work.roles[name]! & Role.late) !== 0,
      onComplete: (name, fd) => this.#at(name, () => this.#settleDirectory(fd, name)),
    });
  }

  /** In blocks of 4 KiB. */
  get usedBytes(): number {
    return this.#maker.usedBytes + this.#directoryCount * BLOCK;
  }

  /** @param names parents first */
  makeDirectories(names: Uint32Array): void {
    for (const name of names) this.#at(name, () => this.#makeDirectory(name));
    this.#directories.close();
  }

  /** `count` names in pre-order. */
  makeNames(firstName: number, count: number): void {
    let name = firstName;
    for (let made = 0; made < count && name !== NONE; made++) {
      this.#at(name, () => this.#makeName(name));
      name = nextName(this.#tree, name);
    }
    this.#directories.leaveAll();
  }

  /** @param pairs a name to make, and the name that its inode has */
  makeHardLinks(pairs: Uint32Array): void {
    const from = new LastDirectory(this.#tree, this.#rootFd);
    const to = new LastDirectory(this.#tree, this.#rootFd);
    try {
      for (let at = 0; at < pairs.length; at += 2) {
        const name = pairs[at]!;
        this.#at(name, () => this.#makeHardLink(name, pairs[at + 1]!, { from, to }));
      }
    } finally {
      from.close();
      to.close();
    }
  }

  /** @param names children first */
  settleDirectories(names: Uint32Array): void {
    for (const name of names) {
      this.#at(name, () => {
        const fd = openTreeDirectory(this.#tree, this.#rootFd, name);
        try {
          this.#settleDirectory(fd, name);
        } finally {
          closeFd(fd);
        }
      });
    }
  }

  close(): void {
    this.#directories.close();
    this.#bodies.close();
  }

  #makeDirectory(name: number): void {
    const dirFd = this.#directories.parentOf(name);
    makeDirectoryAt(dirFd, this.#pathOf(name), PRIVATE);
    this.#directories.enter(name, openAt(dirFd, this.#name, OPEN_DIRECTORY));
  }

  #makeName(name: number): void {
    const role = this.#work.roles[name]!;
    if ((role & (Role.early | Role.hardLink)) !== 0) return;
    if (typeOf(this.#tree, this.#tree.inodes[name]!) === S_IFDIR) this.#makeDirectory(name);
    else this.#maker.make(this.#directories.parentOf(name), this.#pathOf(name), name);
  }

  #makeHardLink(
    name: number,
    firstName: number,
    { from, to }: { readonly from: LastDirectory; readonly to: LastDirectory },
  ): void {
    const inode = this.#tree.inodes[name]!;
    const fromPath = this.#pathOf(firstName, new PathBuffer());
    const fromFd = from.open(this.#tree.parents[firstName]!);
    const toFd = to.open(this.#tree.parents[name]!);
    try {
      linkAt(fromFd, fromPath, toFd, this.#pathOf(name));
    } catch (error) {
      if (errnoOf(error) !== "ENOENT" || !isDevice(this.#tree, inode)) throw error;
      this.#settler.note(name, "device left out, as is its first name");
    }
  }

  #settleDirectory(fd: number, name: number): void {
    this.#directoryCount++;
    this.#settler.settleDirectory(fd, name);
    this.#settler.noteInexact(name);
  }

  #pathOf(name: number, into: PathBuffer = this.#name): PathBuffer {
    const { nameBytes, nameOffsets, nameLengths } = this.#tree;
    return into.set(nameBytes, nameOffsets[name], nameLengths[name]);
  }

  /** Runs what makes one name; a failure names it. */
  #at(name: number, action: () => void): void {
    if (Atomics.load(this.#work.cancelled, 0) !== 0) {
      throw cancellation();
    }
    countProgress();
    try {
      action();
    } catch (error) {
      const path = name === ROOT ? "/" : printable(pathOf(this.#tree, name));
      throw ioError(error, `write "${path}"`, this.#work.rootfsPath);
    }
  }
}
