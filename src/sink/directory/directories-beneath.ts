import { nameBytesOf, ROOT, type NamedTree } from "../../rootfs/rootfs-tree.ts";
import { PathBuffer } from "../path-buffer.ts";
import { closeFd, openAt, OPEN_DIRECTORY } from "../posix.ts";

/** Directories kept open on the way down; deeper ones are rare, and reached again from the root. */
const MOST_OPEN = 128;
const CLOSED = -1;

/**
 * Opens directories of a tree that somebody may change at the same time: one component at a time, none of them through a
 * link. Attack: a sandbox turns a directory of its root into a link to one of the host while root reads it (as in
 * CVE-2018-15664). The way to the last directory stays open, so that a walk costs one call a directory.
 */
export class DirectoriesBeneath {
  readonly #tree: NamedTree;
  readonly #rootFd: number;
  /** From below the root down. */
  readonly #names: number[] = [];
  readonly #fds: number[] = [];
  readonly #component = new PathBuffer();

  /** @param rootFd stays the caller's */
  constructor(tree: NamedTree, rootFd: number) {
    this.#tree = tree;
    this.#rootFd = rootFd;
  }

  /** Valid until the next call. @throws PosixError ENOTDIR or ELOOP where something else than a directory is now */
  open(name: number): number {
    const way: number[] = [];
    for (let at = name; at !== ROOT; at = this.#tree.parents[at]!) way.push(at);
    way.reverse();
    let shared = 0;
    while (shared < this.#names.length && this.#names[shared] === way[shared]) shared++;
    this.#leaveAllBut(shared);
    if (this.#fds.at(-1) === CLOSED) this.#leaveAllBut(0);
    while (this.#names.length < way.length) this.#enter(way[this.#names.length]!);
    return this.#fds.at(-1) ?? this.#rootFd;
  }

  close(): void {
    this.#leaveAllBut(0);
  }

  #enter(name: number): void {
    const above = this.#fds.at(-1) ?? this.#rootFd;
    const component = this.#component.set(nameBytesOf(this.#tree, name));
    this.#fds.push(openAt(above, component, OPEN_DIRECTORY));
    this.#names.push(name);
    const tooMany = this.#fds.length - MOST_OPEN - 1;
    if (tooMany < 0 || this.#fds[tooMany] === CLOSED) return;
    closeFd(this.#fds[tooMany]!);
    this.#fds[tooMany] = CLOSED;
  }

  #leaveAllBut(count: number): void {
    this.#names.length = Math.min(this.#names.length, count);
    for (const fd of this.#fds.splice(count)) if (fd !== CLOSED) closeFd(fd);
  }
}
