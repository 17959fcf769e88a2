import {
  NONE,
  ROOT,
  S_IFDIR,
  typeOf,
  type NamedTree,
  type RootfsTree,
} from "../../rootfs/rootfs-tree.ts";
import { FIRST_INODE, ROOT_INODE } from "./format.ts";
import { sortOrder } from "./sort-order.ts";

export const LOST_FOUND: Uint8Array = Buffer.from("lost+found");

/** Which inode of the tree has which number, and the names of each directory in byte order. */
export interface InodeNumbers {
  /** By inode of the tree; 0 for one that is gone. */
  readonly numbers: Uint32Array;
  /** By number: the first name of the inode; NONE for reserved numbers and a made `lost+found`. */
  readonly names: Uint32Array;
  /** Names, those of one directory together and in byte order. */
  readonly children: Uint32Array;
  /** By the number of a directory: its part of `children`. */
  readonly childrenStarts: Uint32Array;
  readonly childrenEnds: Uint32Array;
  /** The highest number in use. */
  readonly last: number;
  readonly lostFound: LostFound;
}

/**
 * `lost+found` is where e2fsck puts what it finds, and has the first free inode. "made": the image has none. "brought": the
 * image has that directory. "taken": the image has something else of that name, which stays what it is.
 */
export type LostFound = "made" | "brought" | "taken";

/** Numbers depth first, in byte order of the names: equal trees get equal numbers, whatever order they were merged in. */
export function numberInodes(tree: RootfsTree): InodeNumbers {
  return new Numbering(tree).run();
}

class Numbering {
  readonly #tree: RootfsTree;
  readonly #numbers: Uint32Array;
  readonly #names: Uint32Array;
  readonly #children: Uint32Array;
  readonly #starts: Uint32Array;
  readonly #ends: Uint32Array;
  readonly #scratch: Uint32Array;
  #listed = 0;
  #last: number = FIRST_INODE;

  constructor(tree: RootfsTree) {
    const numbers = FIRST_INODE + tree.entries + 1;
    this.#tree = tree;
    this.#numbers = new Uint32Array(tree.inodeCount);
    this.#names = new Uint32Array(numbers).fill(NONE);
    this.#children = new Uint32Array(tree.entries);
    this.#starts = new Uint32Array(numbers);
    this.#ends = new Uint32Array(numbers);
    this.#scratch = new Uint32Array(largestDirectory(tree));
  }

  run(): InodeNumbers {
    const { inodes } = this.#tree;
    this.#assign(ROOT, ROOT_INODE);
    this.#listChildren(ROOT, ROOT_INODE);
    const lostFound = this.#findLostFound();
    // Directories under way, innermost last: a tree may be deeper than the call stack.
    const positions = [0];
    const ends = [this.#ends[ROOT_INODE]!];
    while (positions.length > 0) {
      const innermost = positions.length - 1;
      const at = positions[innermost]!++;
      if (at === ends[innermost]!) {
        positions.pop();
        ends.pop();
        continue;
      }
      const name = this.#children[at]!;
      const known = this.#numbers[inodes[name]!]!;
      if (known !== 0 && known !== FIRST_INODE) continue;
      const number = known === 0 ? ++this.#last : known;
      this.#assign(name, number);
      if (typeOf(this.#tree, inodes[name]!) !== S_IFDIR) continue;
      this.#listChildren(name, number);
      positions.push(this.#starts[number]!);
      ends.push(this.#ends[number]!);
    }
    return {
      numbers: this.#numbers,
      names: this.#names,
      children: this.#children,
      childrenStarts: this.#starts,
      childrenEnds: this.#ends,
      last: this.#last,
      lostFound,
    };
  }

  #assign(name: number, number: number): void {
    this.#numbers[this.#tree.inodes[name]!] = number;
    this.#names[number] = name;
  }

  /** Looks at the root's names, not at inodes: a `lost+found` may be a hard link that was numbered by another name. */
  #findLostFound(): LostFound {
    for (const name of this.#children.subarray(0, this.#listed)) {
      if (!isNamed(this.#tree, name, LOST_FOUND)) continue;
      const inode = this.#tree.inodes[name]!;
      if (typeOf(this.#tree, inode) !== S_IFDIR) return "taken";
      this.#assign(name, FIRST_INODE);
      return "brought";
    }
    return "made";
  }

  #listChildren(directory: number, number: number): void {
    const { firstChildren, nextSiblings } = this.#tree;
    const start = this.#listed;
    let isSorted = true;
    for (let name = firstChildren[directory]!; name !== NONE; name = nextSiblings[name]!) {
      isSorted &&=
        this.#listed === start || !this.#isAfter(this.#children[this.#listed - 1]!, name);
      this.#children[this.#listed++] = name;
    }
    this.#starts[number] = start;
    this.#ends[number] = this.#listed;
    if (isSorted) return;
    sortOrder(this.#children.subarray(start, this.#listed), this.#scratch, this.#isAfter);
  }

  readonly #isAfter = (left: number, right: number): boolean =>
    compareNames(this.#tree, left, right) > 0;
}

function largestDirectory({ nameCount, firstChildren, nextSiblings }: RootfsTree): number {
  let largest = 0;
  for (let directory = 0; directory < nameCount; directory++) {
    let count = 0;
    for (let name = firstChildren[directory]!; name !== NONE; name = nextSiblings[name]!) count++;
    if (count > largest) largest = count;
  }
  return largest;
}

/** By bytes, never by characters: names need not be UTF-8. */
function compareNames(tree: NamedTree, left: number, right: number): number {
  const { nameBytes, nameOffsets, nameLengths } = tree;
  const leftLength = nameLengths[left]!;
  const rightLength = nameLengths[right]!;
  const shorter = Math.min(leftLength, rightLength);
  const leftAt = nameOffsets[left]!;
  const rightAt = nameOffsets[right]!;
  for (let at = 0; at < shorter; at++) {
    const difference = nameBytes[leftAt + at]! - nameBytes[rightAt + at]!;
    if (difference !== 0) return difference;
  }
  return leftLength - rightLength;
}

function isNamed(tree: NamedTree, name: number, bytes: Uint8Array): boolean {
  const offset = tree.nameOffsets[name]!;
  if (tree.nameLengths[name] !== bytes.length) return false;
  return bytes.every((byte, at) => tree.nameBytes[offset + at] === byte);
}
