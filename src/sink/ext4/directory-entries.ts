import type { RootfsTree } from "../../rootfs/rootfs-tree.ts";
import { directoryFileType, FILE_TYPE_DIRECTORY } from "../directory-file-type.ts";
import { DIRECTORY_ROOM, FIRST_INODE, RECORD_HEADER_BYTES, ROOT_INODE } from "./format.ts";
import { LOST_FOUND, type InodeNumbers } from "./inode-numbers.ts";

/** The records of `.` and `..`. */
export const DOT_RECORD_BYTES = 12;

/** The entries of one directory in byte order, without `.` and `..`; used again for the next one. */
export class DirectoryEntries {
  count = 0;
  inodes: Uint32Array = new Uint32Array(64);
  types: Uint8Array = new Uint8Array(64);
  offsets: Uint32Array = new Uint32Array(64);
  lengths: Uint8Array = new Uint8Array(64);
  /** What `offsets` point into. */
  nameBytes: Uint8Array = new Uint8Array(0);
  /** Sub-directories: each has a `..` that is a link to this directory. */
  subdirectories = 0;
  /** Bytes of all records, `.` and `..` among them. */
  recordBytes = 0;
  /** Bytes of the longest record. */
  longestRecord = 0;

  /** Becomes the entries of the directory with this number. */
  list(tree: RootfsTree, numbers: InodeNumbers, directory: number): void {
    this.#clear(tree.nameBytes);
    const end = numbers.childrenEnds[directory]!;
    for (let at = numbers.childrenStarts[directory]!; at < end; at++) {
      const name = numbers.children[at]!;
      const inode = tree.inodes[name]!;
      const slot = this.#add(numbers.numbers[inode]!, directoryFileType(tree.modes[inode]!));
      this.offsets[slot] = tree.nameOffsets[name]!;
      this.lengths[slot] = tree.nameLengths[name]!;
      this.#count(slot);
    }
  }

  /** Becomes the entries of the root, with a `lost+found` that the tree does not have. */
  listRootWithLostFound(tree: RootfsTree, numbers: InodeNumbers): void {
    this.list(tree, numbers, ROOT_INODE);
    let place = 0;
    while (place < this.count && this.#compareName(place, LOST_FOUND) < 0) place++;
    const last = this.#add(0, 0);
    this.inodes.copyWithin(place + 1, place, last);
    this.types.copyWithin(place + 1, place, last);
    this.offsets.copyWithin(place + 1, place, last);
    this.lengths.copyWithin(place + 1, place, last);
    this.inodes[place] = FIRST_INODE;
    this.types[place] = FILE_TYPE_DIRECTORY;
    this.lengths[place] = LOST_FOUND.length;
    this.#count(place);
    this.#copyNames(place);
  }

  /** Gives the entries names of their own, with `lost+found` at one of them: the tree's bytes cannot be added to. */
  #copyNames(lostFound: number): void {
    let bytes = 0;
    for (let slot = 0; slot < this.count; slot++) bytes += this.lengths[slot]!;
    const from = this.nameBytes;
    const to = new Uint8Array(bytes);
    let end = 0;
    for (let slot = 0; slot < this.count; slot++) {
      const start = this.offsets[slot]!;
      const length = this.lengths[slot]!;
      if (slot === lostFound) to.set(LOST_FOUND, end);
      else for (let at = 0; at < length; at++) to[end + at] = from[start + at]!;
      this.offsets[slot] = end;
      end += length;
    }
    this.nameBytes = to;
  }

  #compareName(slot: number, name: Uint8Array): number {
    const start = this.offsets[slot]!;
    return Buffer.compare(this.nameBytes.subarray(start, start + this.lengths[slot]!), name);
  }

  /** Becomes the entries of an empty directory. */
  listNothing(): void {
    this.#clear(new Uint8Array(0));
  }

  #clear(nameBytes: Uint8Array): void {
    this.nameBytes = nameBytes;
    this.count = 0;
    this.subdirectories = 0;
    this.recordBytes = 2 * DOT_RECORD_BYTES;
    this.longestRecord = 0;
  }

  #add(inode: number, type: number): number {
    const slot = this.count++;
    if (slot === this.inodes.length) this.#grow(slot * 2);
    this.inodes[slot] = inode;
    this.types[slot] = type;
    return slot;
  }

  #count(slot: number): void {
    const bytes = recordBytesOf(this.lengths[slot]!);
    this.recordBytes += bytes;
    if (bytes > this.longestRecord) this.longestRecord = bytes;
    if (this.types[slot] === FILE_TYPE_DIRECTORY) this.subdirectories++;
  }

  #grow(length: number): void {
    const { inodes, types, offsets, lengths } = this;
    this.inodes = new Uint32Array(length);
    this.inodes.set(inodes);
    this.types = new Uint8Array(length);
    this.types.set(types);
    this.offsets = new Uint32Array(length);
    this.offsets.set(offsets);
    this.lengths = new Uint8Array(length);
    this.lengths.set(lengths);
  }
}

/** Bytes of the record of a name, which is padded to a multiple of 4. */
export function recordBytesOf(nameLength: number): number {
  return (RECORD_HEADER_BYTES + nameLength + 3) & ~3;
}

/** Whether `.`, `..` and all entries fit in one block: then the directory needs no index. */
export function fitsOneBlock(entries: DirectoryEntries): boolean {
  return entries.recordBytes <= DIRECTORY_ROOM;
}
