import {
  linkTargetOf,
  S_IFBLK,
  S_IFCHR,
  S_IFIFO,
  S_IFLNK,
  S_IFREG,
  typeOf,
  type RootfsTree,
} from "../../rootfs/rootfs-tree.ts";
import { errnoOf } from "../io-error.ts";
import { PathBuffer } from "../path-buffer.ts";
import { closeFd, deviceNumber, makeNodeAt, openAt, OPEN_NEW_FILE, symlinkAt } from "../posix.ts";
import { hasHoles } from "../body-ref.ts";
import type { InodeSettler } from "./inode-settler.ts";
import type { PlacedBodies } from "./placed-bodies.ts";

const BLOCK = 4096;
/** ext4 keeps a shorter target in the inode itself. */
const INLINE_TARGET = 60;

/** Makes first names of inodes that are not directories, each complete with all that belongs to it. */
export class NameMaker {
  usedBytes = 0;
  readonly #tree: RootfsTree;
  readonly #settler: InodeSettler;
  readonly #bodies: PlacedBodies;
  readonly #target = new PathBuffer();

  constructor(tree: RootfsTree, settler: InodeSettler, bodies: PlacedBodies) {
    this.#tree = tree;
    this.#settler = settler;
    this.#bodies = bodies;
  }

  /** @param path the name's own bytes */
  make(dirFd: number, path: PathBuffer, name: number): void {
    const inode = this.#tree.inodes[name]!;
    switch (typeOf(this.#tree, inode)) {
      case S_IFREG:
        this.#makeFile(dirFd, path, inode);
        break;
      case S_IFLNK:
        this.#makeSymlink(dirFd, path, inode);
        break;
      case S_IFCHR:
      case S_IFBLK:
      case S_IFIFO:
        if (!this.#makeNode(dirFd, path, name)) return;
        break;
      default:
        throw new Error(`no entry has the type of mode ${this.#tree.modes[inode]}`);
    }
    this.#settler.setNameXattrs(dirFd, path, name);
    this.#settler.noteInexact(name);
  }

  #makeFile(dirFd: number, path: PathBuffer, inode: number): void {
    const body = this.#tree.bodies[inode]!;
    if (body < 0) {
      this.#makeEmptyFile(dirFd, path, inode);
      return;
    }
    this.usedBytes += hasHoles(body)
      ? this.#bodies.occupiedBytes(body)
      : Math.ceil(this.#tree.sizes[inode]! / BLOCK) * BLOCK;
    this.#bodies.move(body, dirFd, path);
    if (this.#tree.adjusted[inode] === 1) this.#settler.settleName(dirFd, path, inode, false);
  }

  #makeEmptyFile(dirFd: number, path: PathBuffer, inode: number): void {
    const fd = openAt(dirFd, path, OPEN_NEW_FILE, this.#settler.creationMode(inode));
    try {
      this.#settler.settleNewFile(fd, inode);
    } finally {
      closeFd(fd);
    }
  }

  #makeSymlink(dirFd: number, path: PathBuffer, inode: number): void {
    const target = linkTargetOf(this.#tree, inode);
    symlinkAt(this.#target.set(target), dirFd, path);
    this.#settler.settleName(dirFd, path, inode, true);
    if (target.length >= INLINE_TARGET) this.usedBytes += BLOCK;
  }

  /** @returns false when the device cannot be here, which is noted */
  #makeNode(dirFd: number, path: PathBuffer, name: number): boolean {
    const inode = this.#tree.inodes[name]!;
    const isFifo = typeOf(this.#tree, inode) === S_IFIFO;
    const major = this.#tree.linkOffsetsOrMajors[inode]!;
    const minor = this.#tree.linkLengthsOrMinors[inode]!;
    const device = isFifo ? 0 : deviceNumber(major, minor);
    const leaveOut = (why: string): false => {
      this.#settler.note(name, `device ${major}:${minor} left out (${why})`);
      return false;
    };
    if (this.#settler.leavesOut(inode)) return leaveOut("its owner is not exact");
    if (device === undefined) return leaveOut("Linux has no such number");
    try {
      makeNodeAt(dirFd, path, this.#tree.modes[inode]!, device);
    } catch (error) {
      // A user namespace makes no devices, overlayfs not its own whiteout mark 0:0.
      if (isFifo || errnoOf(error) !== "EPERM") throw error;
      return leaveOut("EPERM");
    }
    this.#settler.settleName(dirFd, path, inode, true);
    return true;
  }
}
