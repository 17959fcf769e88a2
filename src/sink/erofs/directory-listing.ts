import type { RootfsTree } from "../../rootfs/rootfs-tree.ts";
import { BLOCK_BYTES } from "../block-placement.ts";
import { directoryFileType, FILE_TYPE_DIRECTORY } from "../directory-file-type.ts";
import type { TreeNumbers } from "../tree-numbers.ts";
import { DIRENT_BYTES } from "./format.ts";

/** Stand for names of the tree, which has fewer. */
const DOT = 0xffff_fffd;
const DOT_DOT = 0xffff_fffe;
const DOT_BYTE = 0x2e;

/**
 * The entries of one directory, `.` and `..` among them, all in byte order: the kernel looks a name up by bisecting first
 * the blocks and then the entries of one. A block is the entries, 12 bytes each, and then their names; used again for the
 * next directory.
 */
export class DirectoryListing {
  /** Bytes of all blocks; the last one ends with its last name. */
  sizeBytes = 0;
  /** Directories in it, each with a `..` that is a link to this one. */
  subdirectories = 0;
  readonly #tree: RootfsTree;
  readonly #numbers: TreeNumbers;
  #names = new Uint32Array(64);
  #count = 0;
  #directory = 0;

  constructor(tree: RootfsTree, numbers: TreeNumbers) {
    this.#tree = tree;
    this.#numbers = numbers;
  }

  /** Becomes the listing of the directory with this number. */
  list(directory: number): void {
    const { children, childrenStarts, childrenEnds } = this.#numbers;
    const start = childrenStarts[directory]!;
    const end = childrenEnds[directory]!;
    if (end - start + 2 > this.#names.length) this.#names = new Uint32Array(2 * (end - start + 2));
    this.#directory = directory;
    this.#count = 0;
    this.subdirectories = 0;
    let at = start;
    for (const dot of [DOT, DOT_DOT]) {
      const dots = dot === DOT ? 1 : 2;
      while (at < end && this.#isBeforeDots(children[at]!, dots)) this.#add(children[at++]!);
      this.#names[this.#count++] = dot;
    }
    while (at < end) this.#add(children[at++]!);
    this.#measure();
  }

  /**
   * Calls `visit` for each block, in their order; only the last one may be short. The bytes are borrowed.
   * @param nids by number
   */
  blocks(nids: Float64Array, visit: (bytes: Uint8Array) => void): void {
    const block = new Uint8Array(BLOCK_BYTES);
    for (let first = 0; first < this.#count;) {
      const end = this.#endOfBlock(first);
      block.fill(0);
      const used = this.#encode(block, { first, end }, nids);
      visit(end < this.#count ? block : block.subarray(0, used));
      first = end;
    }
  }

  #add(name: number): void {
    this.#names[this.#count++] = name;
    const mode = this.#tree.modes[this.#tree.inodes[name]!]!;
    if (directoryFileType(mode) === FILE_TYPE_DIRECTORY) this.subdirectories++;
  }

  /** Whether a name comes before one that is so many dots: no name of a tree is itself one of those. */
  #isBeforeDots(name: number, dots: number): boolean {
    const { nameBytes, nameOffsets, nameLengths } = this.#tree;
    const offset = nameOffsets[name]!;
    const length = nameLengths[name]!;
    for (let at = 0; at < dots; at++) {
      if (at === length) return true;
      const byte = nameBytes[offset + at]!;
      if (byte !== DOT_BYTE) return byte < DOT_BYTE;
    }
    return false;
  }

  #lengthOf(name: number): number {
    if (name === DOT) return 1;
    return name === DOT_DOT ? 2 : this.#tree.nameLengths[name]!;
  }

  /** The entry after the last one that fits into a block with `first`. */
  #endOfBlock(first: number): number {
    let used = 0;
    let end = first;
    for (; end < this.#count; end++) {
      used += DIRENT_BYTES + this.#lengthOf(this.#names[end]!);
      if (used > BLOCK_BYTES) break;
    }
    return end;
  }

  #measure(): void {
    let whole = 0;
    let used = 0;
    for (let at = 0; at < this.#count; at++) {
      const bytes = DIRENT_BYTES + this.#lengthOf(this.#names[at]!);
      if (used + bytes > BLOCK_BYTES) {
        whole += BLOCK_BYTES;
        used = 0;
      }
      used += bytes;
    }
    this.sizeBytes = whole + used;
  }

  /** @returns the bytes that are used */
  #encode(
    block: Uint8Array,
    { first, end }: { readonly first: number; readonly end: number },
    nids: Float64Array,
  ): number {
    const view = new DataView(block.buffer);
    let nameAt = (end - first) * DIRENT_BYTES;
    for (let at = first; at < end; at++) {
      const entry = (at - first) * DIRENT_BYTES;
      const name = this.#names[at]!;
      const length = this.#lengthOf(name);
      const nid = nids[this.#numberOf(name)]!;
      view.setUint32(entry, nid % 2 ** 32, true);
      view.setUint32(entry + 4, Math.floor(nid / 2 ** 32), true);
      view.setUint16(entry + 8, nameAt, true);
      block[entry + 10] = this.#typeOf(name);
      if (name === DOT || name === DOT_DOT) block.fill(DOT_BYTE, nameAt, nameAt + length);
      else this.#copyName(name, block, nameAt);
      nameAt += length;
    }
    return nameAt;
  }

  #copyName(name: number, block: Uint8Array, to: number): void {
    const { nameBytes, nameOffsets, nameLengths } = this.#tree;
    const from = nameOffsets[name]!;
    const length = nameLengths[name]!;
    for (let at = 0; at < length; at++) block[to + at] = nameBytes[from + at]!;
  }

  #typeOf(name: number): number {
    if (name === DOT || name === DOT_DOT) return FILE_TYPE_DIRECTORY;
    return directoryFileType(this.#tree.modes[this.#tree.inodes[name]!]!);
  }

  #numberOf(name: number): number {
    if (name === DOT) return this.#directory;
    const { inodes, parents } = this.#tree;
    const { numbers, names } = this.#numbers;
    const target = name === DOT_DOT ? parents[names[this.#directory]!]! : name;
    return numbers[inodes[target]!]!;
  }
}
