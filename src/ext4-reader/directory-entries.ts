import { blockRuns } from "./block-runs.ts";
import { hasTail, recordAt, tailChecksumHolds } from "./directory-blocks.ts";
import { DIRECTORY_TAIL_BYTES } from "./format.ts";
import { inodeSeed, type Inode } from "./inode.ts";
import { damaged } from "./superblock.ts";
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
        yield* blockEntries(volume, directory, bytes.subarray(from, from + blockSize));
      }
    }
  }
}

function* blockEntries(
  volume: Volume,
  directory: Inode,
  block: Buffer,
): Generator<DirectoryEntry, void, undefined> {
  const { superblock } = volume;
  const tailed = superblock.hasChecksums && hasTail(block);
  if (tailed) {
    const seed = inodeSeed(superblock, directory.number, directory.generation);
    if (!tailChecksumHolds(block, seed)) throw broken(volume, directory, "has a wrong checksum");
  }
  const end = block.length - (tailed ? DIRECTORY_TAIL_BYTES : 0);
  for (let at = 0; at < end;) {
    const record = recordAt(block, at, end);
    if (typeof record === "string") {
      throw broken(volume, directory, `has a broken record: ${record}`);
    }
    if (record.inode !== 0) {
      const name = Buffer.from(block.subarray(record.nameStart, record.nameEnd));
      yield { inode: record.inode, type: record.type, name };
    }
    at += record.length;
  }
}

function broken({ file }: Volume, { number }: Inode, what: string): Error {
  return damaged(file.path, `the directory of inode ${number} ${what}`, { inode: number });
}

/** `.` and `..`. */
export function isDotName(name: Uint8Array): boolean {
  return name[0] === 0x2e && (name.length === 1 || (name.length === 2 && name[1] === 0x2e));
}
