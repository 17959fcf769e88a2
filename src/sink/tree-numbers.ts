import {
  NONE,
  ROOT,
  S_IFDIR,
  typeOf,
  type NamedTree,
  type RootfsTree,
} from "../rootfs/rootfs-tree.ts";
import { sortOrder } from "./sort-order.ts";

/** Which inode of the tree has which number, and the names of each directory in byte order. */
export interface TreeNumbers {
  /** By inode of the tree; 0 for one that is gone. */
  readonly numbers: Uint32Array;
  /** By number: the first name of the inode; NONE for a number that no inode of the tree has. */
  readonly names: Uint32Array;
  /** Names, those of one directory together and in byte order. */
  readonly children: Uint32Array;
  /** By the number of a directory: its part of `children`. */
  readonly childrenStarts: Uint32Array;
  readonly childrenEnds: Uint32Array;
  /** The highest number in use. */
  readonly last: number;
  /** Whether a name in the root has the reserved number: "taken" when it has the reserved name and is no directory. */
  readonly reserved: "absent" | "directory" | "taken";
}

export interface NumberingOptions {
  /** Of the root directory. */
  readonly root: number;
  /** Numbers after this one are given out. */
  readonly last: number;
  /** A directory in the root that has a number of its own, at most `last`. */
  readonly reserved?: { readonly name: Uint8Array; readonly number: number };
}

/** Numbers depth first, in byte order of the names: equal trees get equal numbers, whatever order they were merged in. */
export function numberTree(tree: RootfsTree, options: NumberingOptions): TreeNumbers {
  return new Numbering(tree, options).run();
}

class Numbering {
  readonly #tree: RootfsTree;
  readonly #options: NumberingOptions;
  readonly #numbers: Uint32Array;
  readonly #names: Uint32Array;
  readonly #children: Uint32Array;
  readonly #starts: Uint32Array;
  readonly #ends: Uint32Array;
  readonly #scratch: Uint32Array;
  #listed = 0;
  #last: number;

  constructor(tree: RootfsTree, options: NumberingOptions) {
    const numbers = options.last + tree.entries + 1;
    this.#tree = tree;
    this.#options = options;
    this.#last = options.last;
    this.#numbers = new Uint32Array(tree.inodeCount);
    this.#names = new Uint32Array(numbers).fill(NONE);
    this.#children = new Uint32Array(tree.entries);
    this.#starts = new Uint32Array(numbers);
    this.#ends = new Uint32Array(numbers);
    this.#scratch = new Uint32Array(largestDirectory(tree));
  }

  run(): TreeNumbers {
    const { inodes } = this.#tree;
    const { root } = this.#options;
    this.#assign(ROOT, root);
    this.#listChildren(ROOT, root);
    const reserved = this.#findReserved();
    const reservedNumber = this.#options.reserved?.number;
    // Directories under way, innermost last: a tree may be deeper than the call stack.
    const positions = [0];
    const ends = [this.#ends[root]!];
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
      if (known !== 0 && known !== reservedNumber) continue;
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
      reserved,
    };
  }

  #assign(name: number, number: number): void {
    this.#numbers[this.#tree.inodes[name]!] = number;
    this.#names[number] = name;
  }

  /** Looks at the root's names, not at inodes: one of that name may be a hard link that was numbered by another name. */
  #findReserved(): TreeNumbers["reserved"] {
    const { reserved } = this.#options;
    if (reserved === undefined) return "absent";
    for (const name of this.#children.subarray(0, this.#listed)) {
      if (!isNamed(this.#tree, name, reserved.name)) continue;
      const inode = this.#tree.inodes[name]!;
      if (typeOf(this.#tree, inode) !== S_IFDIR) return "taken";
      this.#assign(name, reserved.number);
      return "directory";
    }
    return "absent";
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
