import { randomBytes } from "node:crypto";
import { ImportError } from "../errors.ts";
import { encodeXattrs, type Xattr } from "../layer/xattr-list.ts";
import { DEFAULT_LIMITS } from "../limits.ts";
import { finishedTree } from "./finished-tree.ts";
import { MergeTree } from "./merge-tree.ts";
import { ROOT, S_IFREG, type NamedTree, type RootfsTree } from "./rootfs-tree.ts";

/** What every inode has. */
export interface InodeFacts {
  /** With its type (`S_IFMT`). */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtimeSeconds: number;
  readonly mtimeNanoseconds: number;
  /** In any order. */
  readonly xattrs: readonly Xattr[];
  /** File: bytes of its contents. */
  readonly size?: number;
  /** File: what the reader finds them by, 0 or more; left out of an empty one. */
  readonly body?: number;
  /** Symlink. */
  readonly target?: Uint8Array;
  /** Device: major and minor number. */
  readonly device?: readonly [number, number];
}

/** Offsets in the tree are 32-bit; one inode adds at most a name, a target and its xattrs after the check. */
const MAX_METADATA_BYTES = 2 ** 32 - 2 ** 26;

/**
 * Makes a tree out of one that exists somewhere: names and inodes one by one, parents before children. ROOT and its inode
 * are there from the beginning; `setRoot` gives it what it has.
 */
export class TreeBuilder {
  readonly #tree: MergeTree;

  constructor() {
    const key = randomBytes(8);
    this.#tree = new MergeTree([key.readInt32LE(0), key.readInt32LE(4)]);
  }

  /** What has names so far: for whoever looks for what is below them. */
  get names(): NamedTree {
    return this.#tree.names;
  }

  setRoot(facts: InodeFacts): void {
    this.#setFacts(this.#tree.names.inodes[ROOT]!, facts);
  }

  /** An inode without a name yet. */
  addInode(facts: InodeFacts): number {
    const inode = this.#tree.inodes.add(facts.mode, 0);
    this.#tree.inodes.linkCounts[inode] = 0;
    this.#setFacts(inode, facts);
    return inode;
  }

  /** One more name of an inode. @returns the name; the caller knows that the directory has none of these bytes */
  addName(parent: number, component: Uint8Array, inode: number): number {
    const { names, inodes, blobs } = this.#tree;
    const name = names.add(parent, component, 0, component.length);
    names.inodes[name] = inode;
    inodes.linkCounts[inode] = inodes.linkCounts[inode]! + 1;
    if (names.live > DEFAULT_LIMITS.entries) throw tooLarge("entries", DEFAULT_LIMITS.entries);
    if (names.arena.length + blobs.length > MAX_METADATA_BYTES) {
      throw tooLarge("bytes of names, links and attributes", MAX_METADATA_BYTES);
    }
    return name;
  }

  /** What a reader finds the contents of a file by, where that is known only after its name. */
  setBody(inode: number, body: number): void {
    this.#tree.inodes.bodies[inode] = body;
  }

  /** @returns the name, or NONE */
  findName(parent: number, component: Uint8Array): number {
    return this.#tree.names.find(parent, component, 0, component.length);
  }

  inodeOf(name: number): number {
    return this.#tree.names.inodes[name]!;
  }

  modeOf(inode: number): number {
    return this.#tree.inodes.modes[inode]!;
  }

  finish(): RootfsTree {
    return finishedTree(this.#tree);
  }

  #setFacts(inode: number, facts: InodeFacts): void {
    const { inodes, blobs, xattrs } = this.#tree;
    inodes.modes[inode] = facts.mode;
    inodes.uids[inode] = facts.uid;
    inodes.gids[inode] = facts.gid;
    inodes.mtimeSeconds[inode] = facts.mtimeSeconds;
    inodes.mtimeNanoseconds[inode] = facts.mtimeNanoseconds;
    if (inodes.typeOf(inode) === S_IFREG) inodes.sizes[inode] = facts.size ?? 0;
    inodes.bodies[inode] = facts.body ?? -1;
    const { target, device } = facts;
    if (target !== undefined) {
      inodes.linkOffsetsOrMajors[inode] = blobs.append(target, 0, target.length);
      inodes.linkLengthsOrMinors[inode] = target.length;
    } else if (device !== undefined) {
      inodes.linkOffsetsOrMajors[inode] = device[0];
      inodes.linkLengthsOrMinors[inode] = device[1];
    }
    if (facts.xattrs.length === 0) return;
    const encoded = encodeXattrs(facts.xattrs);
    inodes.xattrOffsets[inode] = xattrs.append(encoded, 0, encoded.length);
    inodes.xattrLengths[inode] = encoded.length;
  }
}

function tooLarge(what: string, limit: number): ImportError {
  return new ImportError(
    "ERR_LIMIT_EXCEEDED",
    `the root filesystem has more than ${limit} ${what}`,
    {
      hint: "It is not one that rootlift imported; look at what fills it.",
    },
  );
}
