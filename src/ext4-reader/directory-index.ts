import { crc32c, crc32cOfZeros } from "../image-reader/crc32c.ts";

const ENTRY_BYTES = 8;
const TAIL_BYTES = 8;
/** `struct dx_root`: behind the records of `.` and `..`. */
const ROOT_INFO_AT = 24;
const ROOT_ENTRIES_AT = 32;
const NODE_ENTRIES_AT = 8;

export interface IndexInfo {
  readonly hashVersion: number;
  readonly levels: number;
}

/** One block of a directory's index: which block holds the names from which hash on. */
export interface IndexBlock {
  /** Logical blocks of the directory. */
  readonly blocks: readonly number[];
  /** The first one is not stored: 0 here. */
  readonly hashes: readonly number[];
}

/** What stands before the entries of an index's root, or what is wrong with it. */
export function indexInfo(block: Buffer): IndexInfo | string {
  if (block.readUInt32LE(ROOT_INFO_AT) !== 0) return "the reserved word of its index is not 0";
  if (block[ROOT_INFO_AT + 5] !== 8) return "the info of its index has a wrong length";
  const hashVersion = block[ROOT_INFO_AT + 4]!;
  const levels = block[ROOT_INFO_AT + 6]!;
  // Three levels take the feature large_dir.
  if (levels > 1) return `its index has ${levels + 1} levels`;
  if (hashVersion > 5) return `its index has hashes of kind ${hashVersion}`;
  return { hashVersion, levels };
}

/** @returns the entries of an index block, or what is wrong with it */
export function indexBlock(
  block: Buffer,
  options: { readonly isRoot: boolean; readonly hasChecksums: boolean },
): IndexBlock | string {
  const at = options.isRoot ? ROOT_ENTRIES_AT : NODE_ENTRIES_AT;
  const room = block.length - at - (options.hasChecksums ? TAIL_BYTES : 0);
  const limit = block.readUInt16LE(at);
  const count = block.readUInt16LE(at + 2);
  if (limit !== Math.floor(room / ENTRY_BYTES)) return `its index claims room for ${limit} entries`;
  if (count < 1 || count > limit) return `its index claims ${count} entries`;
  const blocks: number[] = [];
  const hashes: number[] = [];
  for (let entry = 0; entry < count; entry++) {
    const hash = entry === 0 ? 0 : block.readUInt32LE(at + entry * ENTRY_BYTES);
    if (entry > 1 && hash < hashes[entry - 1]!) return "its index is out of order";
    hashes.push(hash);
    blocks.push(block.readUInt32LE(at + entry * ENTRY_BYTES + 4));
  }
  return { blocks, hashes };
}

/** An inner block begins with an unused record as long as itself, which hides the rest from linear readers. */
export function looksLikeIndexNode(block: Buffer): boolean {
  return (
    block.readUInt32LE(0) === 0 &&
    block.readUInt16LE(4) === block.length &&
    block.readUInt16LE(6) === 0
  );
}

/**
 * The checksum lies behind the room for entries (`limit`), and covers those that are there (`count`).
 * @param block one that `indexBlock` accepts @param seed that of the directory's inode
 */
export function indexChecksumHolds(block: Buffer, isRoot: boolean, seed: number): boolean {
  const at = isRoot ? ROOT_ENTRIES_AT : NODE_ENTRIES_AT;
  const tail = at + block.readUInt16LE(at) * ENTRY_BYTES;
  let crc = crc32c(seed, block, 0, at + block.readUInt16LE(at + 2) * ENTRY_BYTES);
  crc = crc32c(crc, block, tail, tail + 4);
  return crc32cOfZeros(crc, 4) === block.readUInt32LE(tail + 4);
}
