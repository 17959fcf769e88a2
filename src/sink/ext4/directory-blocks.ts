import { FILE_TYPE_DIRECTORY } from "../directory-file-type.ts";
import type { BlockWriter } from "../block-writer.ts";
import { crc32c, crc32cOfZeros } from "../crc32c.ts";
import { recordBytesOf, type DirectoryEntries } from "./directory-entries.ts";
import {
  BLOCK_BYTES,
  DIRECTORY_ROOM,
  DIRECTORY_TAIL_BYTES,
  DIRECTORY_TAIL_TYPE,
  RECORD_HEADER_BYTES,
} from "./format.ts";

const DOT = 0x2e;

/** The numbers of a directory and its parent, and the seed of its checksums. */
export interface DirectoryIdentity {
  readonly self: number;
  readonly parent: number;
  readonly seed: number;
}

/** The records of one block, filled in order; the last one reaches the tail. */
export class RecordBlock {
  readonly #writer: BlockWriter;
  #block = 0;
  #at = 0;
  #last = -1;

  constructor(writer: BlockWriter) {
    this.#writer = writer;
  }

  /** @param block of the disk */
  begin(block: number): void {
    this.#block = this.#writer.begin(block);
    this.#at = this.#block;
    this.#last = -1;
  }

  addDots({ self, parent }: DirectoryIdentity): void {
    const { bytes } = this.#writer;
    const selfAt = this.#addHead(self, FILE_TYPE_DIRECTORY, 1);
    bytes[selfAt] = DOT;
    const parentAt = this.#addHead(parent, FILE_TYPE_DIRECTORY, 2);
    bytes.fill(DOT, parentAt, parentAt + 2);
  }

  add(entries: DirectoryEntries, slot: number): void {
    const { bytes } = this.#writer;
    const { nameBytes } = entries;
    const length = entries.lengths[slot]!;
    const from = entries.offsets[slot]!;
    const to = this.#addHead(entries.inodes[slot]!, entries.types[slot]!, length);
    for (let at = 0; at < length; at++) bytes[to + at] = nameBytes[from + at]!;
  }

  /** Stretches the last record, or an unused one in an empty block, and adds the checksum. */
  end(seed: number): void {
    const { view, bytes } = this.#writer;
    const room = this.#block + DIRECTORY_ROOM;
    const isEmpty = this.#last === -1;
    const last = isEmpty ? this.#block : this.#last;
    const used = isEmpty ? this.#block + RECORD_HEADER_BYTES : this.#at;
    view.setUint16(last + 4, room - last, true);
    view.setUint16(room + 4, DIRECTORY_TAIL_BYTES, true);
    bytes[room + 7] = DIRECTORY_TAIL_TYPE;
    const checksum = crc32cOfZeros(crc32c(seed, bytes, this.#block, used), room - used);
    view.setUint32(this.#block + BLOCK_BYTES - 4, checksum, true);
  }

  /** @returns the offset of the name */
  #addHead(inode: number, type: number, nameLength: number): number {
    const { view, bytes } = this.#writer;
    const at = this.#at;
    const length = recordBytesOf(nameLength);
    view.setUint32(at, inode, true);
    view.setUint16(at + 4, length, true);
    bytes[at + 6] = nameLength;
    bytes[at + 7] = type;
    this.#last = at;
    this.#at = at + length;
    return at + RECORD_HEADER_BYTES;
  }
}
