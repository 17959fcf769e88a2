import { NONE, ROOT, type RootfsTree } from "../../rootfs/rootfs-tree.ts";
import { mostOpenFiles } from "../most-open-files.ts";
import { PathBuffer } from "../path-buffer.ts";
import { closeFd, openAt, OPEN_DIRECTORY } from "../posix.ts";

/** PATH_MAX without its NUL. A path resolved through links of the image may be longer. */
const STEP_BYTES = 4095;
const SLASH = 0x2f;
const CLOSED = -1;
const HERE = new PathBuffer().setText(".");

/**
 * Opens a directory of the tree below `rootFd`. Every component is a directory that this import made, in a place that
 * nobody else enters; paths too long for one system call are walked in steps.
 */
export function openTreeDirectory(tree: RootfsTree, rootFd: number, name: number): number {
  if (name === ROOT) return openAt(rootFd, HERE, OPEN_DIRECTORY);
  const chain: number[] = [];
  for (let at = name; at !== ROOT; at = tree.parents[at]!) chain.push(at);
  const path = Buffer.alloc(STEP_BYTES);
  const step = new PathBuffer();
  let fd = rootFd;
  while (chain.length > 0) {
    let length = 0;
    for (let at = chain.at(-1); at !== undefined; at = chain.at(-1)) {
      const needed = (length === 0 ? 0 : 1) + tree.nameLengths[at]!;
      if (length + needed > STEP_BYTES) break;
      if (length > 0) path[length++] = SLASH;
      const offset = tree.nameOffsets[at]!;
      path.set(tree.nameBytes.subarray(offset, offset + tree.nameLengths[at]!), length);
      length += tree.nameLengths[at]!;
      chain.pop();
    }
    const above = fd;
    try {
      fd = openAt(above, step.set(path, 0, length), OPEN_DIRECTORY);
    } finally {
      if (above !== rootFd) closeFd(above);
    }
  }
  return fd;
}

export interface DirectoryWalk {
  readonly tree: RootfsTree;
  readonly rootFd: number;
  /** Something will still be made in the directory when the walk has left it. */
  readonly isLate: (name: number) => boolean;
  /** Called with a directory, open, that is not late, when the walk leaves it. */
  readonly onComplete: (name: number, fd: number) => void;
}

/** The open directories from the root down to where a walk in pre-order is. */
export class OpenDirectories {
  readonly #walk: DirectoryWalk;
  readonly #names: number[] = [];
  readonly #fds: number[] = [];
  /** Below this index of the stack all are closed. */
  #openFrom = 0;

  constructor(walk: DirectoryWalk) {
    this.#walk = walk;
  }

  /** The descriptor of the directory that holds `name`; the walk leaves all others. Valid until the next call. */
  parentOf(name: number): number {
    const parent = this.#walk.tree.parents[name]!;
    while (this.#names.length > 0 && this.#names.at(-1) !== parent) this.#leave();
    if (this.#names.length === 0) this.#push(parent, CLOSED);
    return this.#top();
  }

  /** Goes down into a directory, of which `fd` belongs to the stack from here on. */
  enter(name: number, fd: number): void {
    this.#push(name, fd);
    // Deeper trees than this are rare, and reopened.
    if (this.#fds.length - this.#openFrom <= mostOpenFiles()) return;
    closeFd(this.#fds[this.#openFrom]!);
    this.#fds[this.#openFrom++] = CLOSED;
  }

  leaveAll(): void {
    while (this.#names.length > 0) this.#leave();
  }

  /** Closes without leaving: after a failure. */
  close(): void {
    for (const fd of this.#fds.splice(0)) if (fd !== CLOSED) closeFd(fd);
    this.#names.length = 0;
    this.#openFrom = 0;
  }

  #push(name: number, fd: number): void {
    this.#names.push(name);
    this.#fds.push(fd);
  }

  #top(): number {
    const top = this.#names.length - 1;
    if (this.#fds[top] === CLOSED) {
      const { tree, rootFd } = this.#walk;
      this.#fds[top] = openTreeDirectory(tree, rootFd, this.#names[top]!);
      this.#openFrom = top;
    }
    return this.#fds[top]!;
  }

  #leave(): void {
    const name = this.#names.at(-1)!;
    if (!this.#walk.isLate(name)) this.#walk.onComplete(name, this.#top());
    this.#names.pop();
    const fd = this.#fds.pop()!;
    if (fd !== CLOSED) closeFd(fd);
  }
}

/** One directory of the tree kept open, for work that mostly stays in it. */
export class LastDirectory {
  readonly #tree: RootfsTree;
  readonly #rootFd: number;
  #name = NONE;
  #fd = CLOSED;

  constructor(tree: RootfsTree, rootFd: number) {
    this.#tree = tree;
    this.#rootFd = rootFd;
  }

  /** Valid until the next call. */
  open(name: number): number {
    if (this.#name === name) return this.#fd;
    this.close();
    this.#fd = openTreeDirectory(this.#tree, this.#rootFd, name);
    this.#name = name;
    return this.#fd;
  }

  close(): void {
    const fd = this.#fd;
    this.#fd = CLOSED;
    this.#name = NONE;
    if (fd !== CLOSED) closeFd(fd);
  }
}
