import { bitmapChecksum, inodeTableBlocks, type GroupDescriptor } from "../block-groups.ts";
import { INODE, INODES_UNINITIALISED, INODE_TABLE_ZEROED } from "../format.ts";
import { inodeChecksumHolds } from "../inode.ts";
import { descriptorOf, isBlockRange, readBlocks } from "../volume.ts";
import { checkInode } from "./check-inode.ts";
import type { VerifyContext } from "./verify-context.ts";

/** Tables are read so many bytes at once. */
const CHUNK_BYTES = 1 << 20;
/** Bytes of tables without any inode in use that are looked at: all of a disk of 16 GiB, and an end for one of 16 TiB. */
const UNUSED_BYTES = 2 ** 28;
const ZEROS = Buffer.alloc(CHUNK_BYTES);

/** Checks the inode bitmaps and every inode. */
export async function checkInodeTables(context: VerifyContext): Promise<void> {
  const { volume, damage, sharedTables } = context;
  const { superblock } = volume;
  const reading = { room: Buffer.allocUnsafe(CHUNK_BYTES), unusedBytes: UNUSED_BYTES };
  for (let group = 0; group < superblock.groups; group++) {
    const descriptor = descriptorOf(volume, group);
    const bitmap = inodeBitmap(context, group, descriptor);
    const reachable = isBlockRange(superblock, descriptor.inodeTable, inodeTableBlocks(superblock));
    if (!reachable || sharedTables.has(group)) {
      const problem = `the inodes of group ${group} cannot be read`;
      damage.add({ what: "inode table", block: descriptor.inodeTable, problem });
    } else {
      for (const chunk of chunksOf(context, { group, descriptor, bitmap }, reading)) {
        checkChunk(context, chunk);
        await context.breathe();
      }
    }
    if (group % 256 === 0) await context.breathe();
  }
}

/** The bitmap's bytes for the inodes of the group, checked; zeros where it does not exist. */
function inodeBitmap(context: VerifyContext, group: number, descriptor: GroupDescriptor): Buffer {
  const { volume, damage, inodesOf } = context;
  const { superblock } = volume;
  const bytes = superblock.inodesPerGroup / 8;
  const block = descriptor.inodeBitmap;
  const report = (problem: string): void =>
    damage.add({ what: "inode bitmap", block, problem: `that of group ${group} ${problem}` });
  if (
    (descriptor.flags & INODES_UNINITIALISED) !== 0 ||
    !isBlockRange(superblock, descriptor.inodeBitmap, 1)
  ) {
    return Buffer.alloc(bytes);
  }
  const bitmap = readBlocks(volume, descriptor.inodeBitmap);
  if (
    superblock.hasChecksums &&
    bitmapChecksum(superblock, bitmap, bytes) !== descriptor.inodeBitmapChecksum
  ) {
    report("has a wrong checksum");
  }
  if (bitmap.subarray(bytes).some((byte) => byte !== 0xff)) {
    report("has free inodes past its end");
  }
  const used = bitmap.subarray(0, bytes);
  inodesOf[group] = used.reduce((sum, byte) => sum + BITS[byte]!, 0);
  return used;
}

const BITS = Uint8Array.from(
  { length: 256 },
  (_, byte) => byte.toString(2).replaceAll("0", "").length,
);

interface TableChunk {
  /** Borrowed until the next chunk. */
  readonly bytes: Buffer;
  readonly bitmap: Buffer;
  /** Of the first inode, in the group. */
  readonly first: number;
  readonly group: number;
  /** Inodes from here on, in the group, were never used. */
  readonly neverUsedFrom: number;
  readonly zeroed: boolean;
}

function* chunksOf(
  { volume }: VerifyContext,
  table: { readonly group: number; readonly descriptor: GroupDescriptor; readonly bitmap: Buffer },
  reading: { readonly room: Buffer; unusedBytes: number },
): Generator<TableChunk, void, undefined> {
  const { superblock, file } = volume;
  const { inodesPerGroup, inodeSize, blockSize } = superblock;
  const { group, descriptor, bitmap } = table;
  const uninitialised = (descriptor.flags & INODES_UNINITIALISED) !== 0;
  const zeroed = (descriptor.flags & INODE_TABLE_ZEROED) !== 0;
  const neverUsedFrom = uninitialised ? 0 : Math.max(0, inodesPerGroup - descriptor.unusedInodes);
  const step = CHUNK_BYTES / inodeSize;
  for (let first = 0; first < inodesPerGroup; first += step) {
    const count = Math.min(step, inodesPerGroup - first);
    const inUse = bitmap.subarray(first / 8, (first + count) / 8).some((byte) => byte !== 0);
    const neverUsed = first >= neverUsedFrom;
    if (!inUse) {
      if ((neverUsed && !zeroed) || reading.unusedBytes <= 0) continue;
      reading.unusedBytes -= count * inodeSize;
    }
    const bytes = reading.room.subarray(0, count * inodeSize);
    file.readSync(bytes, descriptor.inodeTable * blockSize + first * inodeSize);
    // Mostly so, and many times faster than inode by inode.
    if (!inUse && bytes.equals(ZEROS.subarray(0, bytes.length))) continue;
    yield { bytes, bitmap, first, group, neverUsedFrom, zeroed };
  }
}

function checkChunk(context: VerifyContext, chunk: TableChunk): void {
  const { inodeSize, inodesPerGroup } = context.volume.superblock;
  const { bytes, bitmap, first, group } = chunk;
  for (let at = 0; at * inodeSize < bytes.length; at++) {
    const inGroup = first + at;
    const inode = bytes.subarray(at * inodeSize, (at + 1) * inodeSize);
    const number = group * inodesPerGroup + inGroup + 1;
    if (((bitmap[inGroup >>> 3]! >>> (inGroup & 7)) & 1) === 1) {
      if (inGroup >= chunk.neverUsedFrom) {
        const problem = "it is in use where its group says that no inode was used";
        context.damage.add({ what: "inode", inode: number, problem });
      }
      checkInode(context, number, inode);
    } else if (inGroup < chunk.neverUsedFrom || chunk.zeroed) checkFree(context, number, inode);
  }
}

/** A free inode is empty, or a deleted one with its checksum. */
function checkFree({ volume, damage }: VerifyContext, number: number, bytes: Buffer): void {
  if (bytes.equals(ZEROS.subarray(0, bytes.length))) return;
  const { superblock } = volume;
  const report = (problem: string): void => damage.add({ what: "inode", inode: number, problem });
  if (bytes.readUInt16LE(INODE.links) !== 0) report("it has links, but is free in the bitmap");
  if (superblock.hasChecksums && !inodeChecksumHolds(superblock, number, bytes)) {
    report("it is free, but neither empty nor a deleted one with its checksum");
  }
}
