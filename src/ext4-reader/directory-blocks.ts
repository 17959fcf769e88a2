import { crc32c } from "../image-reader/crc32c.ts";
import { DIRECTORY_TAIL_BYTES, DIRECTORY_TAIL_TYPE } from "./format.ts";

export const RECORD_HEADER_BYTES = 8;

/** One record of a directory block. Offsets are those in the block. */
export interface DirectoryRecord {
  readonly at: number;
  /** 0: an unused record. */
  readonly inode: number;
  readonly length: number;
  /** 1 … 7; 0: not said. */
  readonly type: number;
  readonly nameStart: number;
  readonly nameEnd: number;
}

/** Bytes of a record with a name of this length. */
export function recordBytes(nameLength: number): number {
  return (RECORD_HEADER_BYTES + nameLength + 3) & ~3;
}

/**
 * The record at an offset, or what is wrong with it: a record stays inside its block, is long enough for its name, and
 * moves the reader forward.
 */
export function recordAt(block: Buffer, at: number, end: number): DirectoryRecord | string {
  if (end - at < RECORD_HEADER_BYTES) return "it does not end where its block ends";
  const length = block.readUInt16LE(at + 4);
  const nameLength = block[at + 6]!;
  if (length < RECORD_HEADER_BYTES || length % 4 !== 0) return `it is ${length} bytes long`;
  if (length > end - at) return `it is ${length} bytes long where ${end - at} are left`;
  const inode = block.readUInt32LE(at);
  if (length < recordBytes(nameLength)) {
    return `it is ${length} bytes long, with a name of ${nameLength}`;
  }
  if (inode !== 0 && nameLength === 0) return "it has no name";
  return {
    at,
    inode,
    length,
    type: block[at + 7]!,
    nameStart: at + RECORD_HEADER_BYTES,
    nameEnd: at + RECORD_HEADER_BYTES + nameLength,
  };
}

/** Whether a block ends with the fake record that holds its checksum. */
export function hasTail(block: Buffer): boolean {
  const at = block.length - DIRECTORY_TAIL_BYTES;
  return (
    block.readUInt32LE(at) === 0 &&
    block.readUInt16LE(at + 4) === DIRECTORY_TAIL_BYTES &&
    block[at + 6] === 0 &&
    block[at + 7] === DIRECTORY_TAIL_TYPE
  );
}

/** Of a block that `hasTail`. @param seed that of the directory's inode */
export function tailChecksumHolds(block: Buffer, seed: number): boolean {
  return (
    crc32c(seed, block, 0, block.length - DIRECTORY_TAIL_BYTES) ===
    block.readUInt32LE(block.length - 4)
  );
}
