import { damaged } from "../image-reader/image-errors.ts";
import { blockRuns } from "./block-runs.ts";
import { hasTail, recordAt, tailChecksumHolds } from "./directory-blocks.ts";
import { indexBlock, indexChecksumHolds, looksLikeIndexNode } from "./directory-index.ts";
import { DIRECTORY_TAIL_BYTES, INODE_FLAG } from "./format.ts";
import { inodeSeed, type Inode } from "./inode.ts";
import { readBlocks, type Volume } from "./volume.ts";

export interface DirectoryEntry {
  readonly inode: number;
  /** 1 … 7; 0: not said. */
  readonly type: number;
  /** Never empty; may be anything else. Its own copy. */
  readonly name: Buffer;
}

/** Directories are read so many blocks at once at most. */
const READ_BLOCKS = 64;

/**
 * The names of a directory as they lie on the disk, `.` and `..` included: linear and indexed directories alike, since
 * the blocks of an index look like unused records.
 * @throws ImportError ERR_SNAPSHOT_DAMAGED
 */
export function* directoryEntries(
  volume: Volume,
  directory: Inode,
): Generator<DirectoryEntry, void, undefined> {
  const { blockSize } = volume.superblock;
  const end = Math.ceil(directory.sizeBytes / blockSize);
  for (const { logicalBlock, physicalBlock, blocks, written } of blockRuns(volume, directory)) {
    if (!written) throw broken(volume, directory, "has blocks that were never written");
    const last = Math.min(blocks, end - logicalBlock);
    for (let at = 0; at < last; at += READ_BLOCKS) {
      const count = Math.min(READ_BLOCKS, last - at);
      const bytes = readBlocks(volume, physicalBlock + at, count);
      for (let from = 0; from < bytes.length; from += blockSize) {
        const logical = logicalBlock + at + from / blockSize;
        yield* blockEntries(volume, directory, {
          bytes: bytes.subarray(from, from + blockSize),
          isRoot: logical === 0 && (directory.flags & INODE_FLAG.index) !== 0,
        });
      }
    }
  }
}

interface DirectoryBlock {
  readonly bytes: Buffer;
  /** Of an index. */
  readonly isRoot: boolean;
}

function* blockEntries(
  volume: Volume,
  directory: Inode,
  block: DirectoryBlock,
): Generator<DirectoryEntry, void, undefined> {
  const { bytes } = block;
  const end = recordsEnd(volume, directory, block);
  for (let at = 0; at < end;) {
    const record = recordAt(bytes, at, end);
    if (typeof record === "string") {
      throw broken(volume, directory, `has a broken record: ${record}`);
    }
    if (record.inode !== 0) {
      const name = Buffer.from(bytes.subarray(record.nameStart, record.nameEnd));
      yield { inode: record.inode, type: record.type, name };
    }
    at += record.length;
  }
}

/** Checks the checksum. A block that became an index may still have the tail of the leaf that it was: what is in it counts. */
function recordsEnd(
  { superblock, file }: Volume,
  directory: Inode,
  { bytes, isRoot }: DirectoryBlock,
): number {
  if (!superblock.hasChecksums) return bytes.length;
  const seed = inodeSeed(superblock, directory.number, directory.generation);
  const isIndex = isRoot || looksLikeIndexNode(bytes);
  const holds = isIndex
    ? typeof indexBlock(bytes, { isRoot, hasChecksums: true }) !== "string" &&
      indexChecksumHolds(bytes, isRoot, seed)
    : hasTail(bytes) && tailChecksumHolds(bytes, seed);
  if (!holds) throw broken({ file }, directory, "has a wrong checksum");
  return isIndex ? bytes.length : bytes.length - DIRECTORY_TAIL_BYTES;
}

function broken({ file }: Pick<Volume, "file">, { number }: Inode, what: string): Error {
  return damaged(file.path, `the directory of inode ${number} ${what}`, { inode: number });
}

/** `.` and `..`. */
export function isDotName(name: Uint8Array): boolean {
  return name[0] === 0x2e && (name.length === 1 || (name.length === 2 && name[1] === 0x2e));
}
