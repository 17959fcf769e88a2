import {
  pathOf,
  S_IFBLK,
  S_IFCHR,
  S_IFLNK,
  typeOf,
  xattrListOf,
  type RootfsTree,
} from "../../rootfs/rootfs-tree.ts";
import { printable } from "../../errors.ts";
import { errnoOf } from "../io-error.ts";
import type { PathBuffer } from "../path-buffer.ts";
import type { BodyAttributes } from "../sink.ts";
import {
  AttributeWriter,
  chmodName,
  IDENTITY_BITS,
  ownerIsExact,
  permissionsOf,
} from "./attributes.ts";
import { creationDefaults } from "./creation-defaults.ts";
import { Omissions } from "../omissions.ts";
import type { SealWork } from "./seal-steps.ts";
import { isUserXattr, setXattr, type XattrTarget } from "./xattrs.ts";

/** Gives inodes of the tree what the tree says of them, and notes what could not be given. */
export class InodeSettler {
  readonly omissions: Omissions = new Omissions();
  readonly #work: SealWork;
  readonly #tree: RootfsTree;
  readonly #attributes: AttributeWriter;

  constructor(work: SealWork) {
    this.#work = work;
    this.#tree = work.tree;
    this.#attributes = new AttributeWriter({
      sameOwner: work.sameOwner,
      defaults: creationDefaults(),
    });
  }

  attributesOf(inode: number): BodyAttributes {
    const { modes, uids, gids, mtimeSeconds, mtimeNanoseconds } = this.#tree;
    return {
      mode: modes[inode]!,
      uid: uids[inode]!,
      gid: gids[inode]!,
      mtimeSeconds: mtimeSeconds[inode]!,
      mtimeNanoseconds: mtimeNanoseconds[inode]!,
    };
  }

  /** The bits to make a new file with, before `settleNewFile`. */
  creationMode(inode: number): number {
    return permissionsOf(this.#attributes.policy, this.attributesOf(inode)) & 0o777;
  }

  settleNewFile(fd: number, inode: number): void {
    this.#attributes.settleNewFile(fd, this.attributesOf(inode));
  }

  /** Everything but xattrs, of a name that is not opened. @param isNew made by this process and as it made it */
  settleName(dirFd: number, name: PathBuffer, inode: number, isNew: boolean): void {
    const isSymlink = typeOf(this.#tree, inode) === S_IFLNK;
    this.#attributes.settleName(dirFd, name, this.attributesOf(inode), { isSymlink, isNew });
  }

  /** All of a directory in which nothing will be made any more. */
  settleDirectory(fd: number, name: number): void {
    const inode = this.#tree.inodes[name]!;
    const attributes = this.attributesOf(inode);
    this.#attributes.setOwner(fd, attributes);
    // A user needs the right to write for user.*, which the mode may take away; an ACL, on the other hand, which root
    // alone sets, must come after the mode, whose group bits would be written into it.
    if (!this.#work.sameOwner) this.#setXattrs({ fd }, name);
    this.#attributes.setPermissions(fd, attributes);
    if (this.#work.sameOwner) this.#setXattrs({ fd }, name);
    this.#attributes.setTimes(fd, attributes);
  }

  /** The xattrs of anything but a directory; last, since a change of owner removes `security.capability`. */
  setNameXattrs(dirFd: number, path: PathBuffer, name: number): void {
    const inode = this.#tree.inodes[name]!;
    if (this.#tree.xattrLengths[inode] === 0) return;
    try {
      this.#setXattrs({ dirFd, name: path }, name);
    } catch (error) {
      if (errnoOf(error) !== "EACCES" || this.#work.sameOwner) throw error;
      // A file of this user that the image made read-only.
      chmodName(dirFd, path, 0o600);
      this.#setXattrs({ dirFd, name: path }, name);
      chmodName(dirFd, path, permissionsOf(this.#attributes.policy, this.attributesOf(inode)));
    }
  }

  /** Notes owner, set-id bits and time of an inode, by its first name, where they are not what the tree says. */
  noteInexact(name: number): void {
    const inode = this.#tree.inodes[name]!;
    const { traits } = this.#work;
    const seconds = this.#tree.mtimeSeconds[inode]!;
    if (seconds < traits.minSeconds || seconds > traits.maxSeconds) {
      this.note(name, `time ${seconds} is beyond what the file system holds`);
    }
    if (this.#work.sameOwner) return;
    const attributes = this.attributesOf(inode);
    if (ownerIsExact(this.#attributes.policy, attributes)) return;
    const { mode, uid, gid } = attributes;
    if ((mode & IDENTITY_BITS) !== 0) {
      this.note(name, `mode ${(mode & 0o7777).toString(8)} without its set-id bits`);
    }
    this.omissions.addOwner(
      this.omissions.takesOwners ? pathOf(this.#tree, name) : Buffer.alloc(0),
      `owner ${uid}:${gid} not set`,
    );
  }

  note(name: number, what: string): void {
    this.omissions.add(pathOf(this.#tree, name), what);
  }

  /** Without exact owners a device would be one of this machine in the hands of whoever imports. */
  leavesOut(inode: number): boolean {
    return !this.#work.sameOwner && isDevice(this.#tree, inode);
  }

  #setXattrs(target: XattrTarget, name: number): void {
    for (const xattr of xattrListOf(this.#tree, this.#tree.inodes[name]!)) {
      const why =
        this.#work.sameOwner || isUserXattr(xattr.name)
          ? setXattr(target, xattr.name, xattr.value)
          : "its owner is not exact";
      if (why !== undefined) this.note(name, `${printable(xattr.name)} left out (${why})`);
    }
  }
}

export function isDevice(tree: RootfsTree, inode: number): boolean {
  const type = typeOf(tree, inode);
  return type === S_IFCHR || type === S_IFBLK;
}
