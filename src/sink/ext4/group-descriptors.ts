import { setBits, type BlockUsage } from "../block-usage.ts";
import { BlockWriter } from "../block-writer.ts";
import { crc32c, crc32cOfUint32 } from "../crc32c.ts";
import {
  BLOCK_BYTES,
  BLOCKS_PER_GROUP,
  DESCRIPTOR,
  DESCRIPTOR_BYTES,
  FIRST_INODE,
  GROUP_BLOCK_UNINIT,
  GROUP_INODE_UNINIT,
  GROUP_INODE_ZEROED,
  MAX_INODES_PER_GROUP,
} from "./format.ts";
import { blocksOfGroup, hasBackup, type Ext4Geometry } from "./geometry.ts";
import type { InodeNumbers } from "./inode-numbers.ts";
import type { ImageFile } from "../image-file.ts";

export interface GroupParts {
  readonly file: ImageFile;
  readonly geometry: Ext4Geometry;
  /** Final: nothing is taken any more. */
  readonly usage: BlockUsage;
  readonly numbers: InodeNumbers;
  /** Of the file system's checksums. */
  readonly seed: number;
  readonly inodesPerGroup: number;
  /** By group: the blocks of its bitmaps, and the first one of its inode table. */
  readonly blockBitmaps: Float64Array;
  readonly inodeBitmaps: Float64Array;
  readonly tables: Float64Array;
  readonly directories: Uint32Array;
}

export interface WrittenGroups {
  /** The descriptor table, padded to whole blocks. */
  readonly descriptors: Uint8Array;
  readonly freeBlocks: number;
  readonly freeInodes: number;
}

/**
 * Writes the bitmaps of the groups in which something lies, and makes all descriptors.
 *
 * BLOCK_UNINIT follows from what was allocated, never from counts: the kernel then makes the bitmap up from the group's own
 * superblock copy, bitmaps and table, and would hand out blocks that hold anything else.
 */
export function writeGroups(parts: GroupParts): WrittenGroups {
  const { geometry } = parts;
  const descriptors = new Uint8Array(geometry.descriptorBlocks * BLOCK_BYTES);
  const blockBitmaps = new BlockWriter(parts.file);
  const inodeBitmaps = new BlockWriter(parts.file);
  let freeBlocks = 0;
  let freeInodes = 0;
  for (let group = 0; group < geometry.groups; group++) {
    const blocks = writeBlockBitmap(parts, group, blockBitmaps);
    const inodes = writeInodeBitmap(parts, group, inodeBitmaps);
    freeBlocks += blocks.free;
    freeInodes += inodes.free;
    writeDescriptor(parts, group, descriptors, { blocks, inodes });
  }
  blockBitmaps.flush();
  inodeBitmaps.flush();
  return { descriptors, freeBlocks, freeInodes };
}

/** What a descriptor says of one bitmap. */
interface BitmapSummary {
  readonly free: number;
  readonly flags: number;
  readonly checksum: number;
}

interface InodeSummary extends BitmapSummary {
  /** Inodes behind the last used one. */
  readonly unused: number;
}

function writeBlockBitmap(
  { geometry, usage, seed, blockBitmaps }: GroupParts,
  group: number,
  writer: BlockWriter,
): BitmapSummary {
  const own = hasBackup(group) ? 1 + geometry.descriptorBlocks : 0;
  const blocks = blocksOfGroup(geometry, group);
  const free = blocks - own - usage.usedIn(group);
  const bitmap = usage.bitmapOf(group);
  // The last group's bitmap also says where the disk ends.
  if (bitmap === undefined && group < geometry.groups - 1) {
    return { free, flags: GROUP_BLOCK_UNINIT, checksum: 0 };
  }
  const at = writer.begin(blockBitmaps[group]!);
  const page = writer.bytes.subarray(at, at + BLOCK_BYTES);
  if (bitmap !== undefined) page.set(bitmap);
  setBits(page, 0, own);
  setBits(page, blocks, BLOCKS_PER_GROUP);
  return { free, flags: 0, checksum: crc32c(seed, page) };
}

/** Numbers are dealt without gaps, but for 11 where `lost+found` is something else. */
function writeInodeBitmap(
  { numbers, seed, inodesPerGroup, inodeBitmaps }: GroupParts,
  group: number,
  writer: BlockWriter,
): InodeSummary {
  const before = group * inodesPerGroup;
  const last = Math.min(numbers.last - before, inodesPerGroup);
  if (last <= 0) {
    const all = inodesPerGroup;
    return { free: all, flags: GROUP_INODE_UNINIT, checksum: 0, unused: all };
  }
  const at = writer.begin(inodeBitmaps[group]!);
  const page = writer.bytes.subarray(at, at + BLOCK_BYTES);
  setBits(page, 0, last);
  setBits(page, inodesPerGroup, MAX_INODES_PER_GROUP);
  const hasGap = group === 0 && numbers.lostFound === "taken";
  if (hasGap) clearBit(page, FIRST_INODE - 1);
  // Only the bits of real inodes: those behind them are set, and not covered.
  const checksum = crc32c(seed, page, 0, inodesPerGroup / 8);
  const unused = inodesPerGroup - last;
  return { free: unused + (hasGap ? 1 : 0), flags: 0, checksum, unused };
}

function clearBit(bitmap: Uint8Array, bit: number): void {
  bitmap[bit >>> 3]! &= ~(1 << (bit & 7));
}

function writeDescriptor(
  parts: GroupParts,
  group: number,
  descriptors: Uint8Array,
  { blocks, inodes }: { readonly blocks: BitmapSummary; readonly inodes: InodeSummary },
): void {
  const at = group * DESCRIPTOR_BYTES;
  const view = new DataView(descriptors.buffer, at, DESCRIPTOR_BYTES);
  const put32 = (low: number, high: number, value: number): void => {
    view.setUint32(low, value % 2 ** 32, true);
    view.setUint32(high, Math.floor(value / 2 ** 32), true);
  };
  const put16 = (low: number, high: number, value: number): void => {
    view.setUint16(low, value & 0xffff, true);
    view.setUint16(high, value >>> 16, true);
  };
  put32(DESCRIPTOR.blockBitmapLow, DESCRIPTOR.blockBitmapHigh, parts.blockBitmaps[group]!);
  put32(DESCRIPTOR.inodeBitmapLow, DESCRIPTOR.inodeBitmapHigh, parts.inodeBitmaps[group]!);
  put32(DESCRIPTOR.inodeTableLow, DESCRIPTOR.inodeTableHigh, parts.tables[group]!);
  put16(DESCRIPTOR.freeBlocksLow, DESCRIPTOR.freeBlocksHigh, blocks.free);
  put16(DESCRIPTOR.freeInodesLow, DESCRIPTOR.freeInodesHigh, inodes.free);
  put16(DESCRIPTOR.usedDirectoriesLow, DESCRIPTOR.usedDirectoriesHigh, parts.directories[group]!);
  view.setUint16(DESCRIPTOR.flags, GROUP_INODE_ZEROED | blocks.flags | inodes.flags, true);
  put16(DESCRIPTOR.blockBitmapChecksumLow, DESCRIPTOR.blockBitmapChecksumHigh, blocks.checksum);
  put16(DESCRIPTOR.inodeBitmapChecksumLow, DESCRIPTOR.inodeBitmapChecksumHigh, inodes.checksum);
  put16(DESCRIPTOR.unusedInodesLow, DESCRIPTOR.unusedInodesHigh, inodes.unused);
  const seed = crc32cOfUint32(parts.seed, group);
  const checksum = crc32c(seed, descriptors, at, at + DESCRIPTOR_BYTES);
  view.setUint16(DESCRIPTOR.checksum, checksum & 0xffff, true);
}
