import { DIRECTORY_RECORD_BYTES, LONGEST_NAME } from "./format.ts";

const DOT = 0x2e;
const SLASH = 0x2f;

/** One record of a directory block. Offsets are those in the block. */
export interface DirectoryRecord {
  readonly nid: number;
  /** 1 … 7 as `typeNumber` has them; anything else may stand there. */
  readonly type: number;
  readonly nameStart: number;
  /** At most 255 bytes behind it, and at least one. */
  readonly nameEnd: number;
}

/** @param block as far as the directory goes @returns its number of records, or what is wrong with it */
export function recordCount(block: Buffer): number | string {
  const first = block.length < DIRECTORY_RECORD_BYTES ? 0 : block.readUInt16LE(8);
  if (first === 0 || first % DIRECTORY_RECORD_BYTES !== 0 || first >= block.length) {
    return `the names of a block begin at byte ${first} of ${block.length}`;
  }
  return first / DIRECTORY_RECORD_BYTES;
}

/**
 * A record, or what is wrong with it. A name ends where the next begins; the last one where the block does, or at a NUL.
 * @param count as `recordCount` has it
 */
export function recordAt(block: Buffer, index: number, count: number): DirectoryRecord | string {
  const at = index * DIRECTORY_RECORD_BYTES;
  const nameStart = block.readUInt16LE(at + 8);
  const isLast = index === count - 1;
  const end = isLast ? block.length : block.readUInt16LE(at + DIRECTORY_RECORD_BYTES + 8);
  if (nameStart < count * DIRECTORY_RECORD_BYTES || end > block.length || nameStart >= end) {
    return `a name of it lies at bytes ${nameStart} to ${end} of ${block.length}`;
  }
  const nul = isLast ? block.indexOf(0, nameStart) : -1;
  const nameEnd = nul === -1 ? end : nul;
  const length = nameEnd - nameStart;
  if (length === 0 || length > LONGEST_NAME) return `a name of it has ${length} bytes`;
  const nid = block.readUInt32LE(at) + block.readUInt32LE(at + 4) * 2 ** 32;
  return { nid, type: block[at + 10]!, nameStart, nameEnd };
}

/** Whether a name can be one: no slash, no NUL. `.` and `..` are. */
export function isPlainName(name: Uint8Array): boolean {
  return !name.includes(SLASH) && !name.includes(0);
}

/** `.` and `..`. */
export function isDotName(name: Uint8Array): boolean {
  return name[0] === DOT && (name.length === 1 || (name.length === 2 && name[1] === DOT));
}
