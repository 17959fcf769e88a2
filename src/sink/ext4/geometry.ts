import { ImportError } from "../../errors.ts";
import { BLOCK_BYTES, BLOCKS_PER_GROUP, DESCRIPTOR_BYTES } from "./format.ts";

/**
 * Free blocks that are left behind each descriptor table, unless the group ends: the table can then describe 1 TiB more
 * before `resize2fs` would have to move data. They are ordinary free blocks, and not marked in any way.
 */
const GROWTH_BLOCKS = 128;
/** A last group with fewer blocks for itself is not used (`ext2fs_initialize`). */
const FEWEST_BLOCKS_OF_A_GROUP = 50;
export const SMALLEST_DISK_MIB = 1;
/** What 32-bit logical blocks, `e2fsck` and the sparse files of most hosts allow. */
export const LARGEST_DISK_MIB: number = 16 * 1024 * 1024;

export interface BlockRange {
  readonly first: number;
  readonly blocks: number;
}

/** Everything that the size of the disk alone decides, before the first byte (ext4-format, "Order of writing and layout"). */
export interface Ext4Geometry {
  /** The size of the image file. */
  readonly diskBytes: number;
  /** Blocks of the file system; a last group that would be too short is left out. */
  readonly blocks: number;
  readonly groups: number;
  /** Blocks of the descriptor table, and of each of its copies. */
  readonly descriptorBlocks: number;
  /** Superblock, descriptor table and growth room of each group that has them (sparse_super), ascending. The first is group 0's. */
  readonly reserved: readonly BlockRange[];
}

/**
 * @param diskBytes a multiple of a block, 1 MiB to 16 TiB
 * @throws ImportError ERR_OPTION_INVALID for another size
 */
export function ext4Geometry(diskBytes: number): Ext4Geometry {
  const mib = diskBytes / 2 ** 20;
  if (!(mib >= SMALLEST_DISK_MIB && mib <= LARGEST_DISK_MIB) || diskBytes % BLOCK_BYTES !== 0) {
    throw new ImportError("ERR_OPTION_INVALID", `an ext4 disk cannot have ${mib} MiB`, {
      hint: `Give --disk_mb a whole number from ${SMALLEST_DISK_MIB} to ${LARGEST_DISK_MIB}.`,
      details: { diskBytes },
    });
  }
  const all = diskBytes / BLOCK_BYTES;
  const whole = Math.floor(all / BLOCKS_PER_GROUP);
  const tail = all % BLOCKS_PER_GROUP;
  const overhead = hasBackup(whole) ? 1 + descriptorBlocksOf(whole + 1) : 0;
  const tailIsUsed = whole === 0 || tail >= overhead + FEWEST_BLOCKS_OF_A_GROUP;
  const blocks = tailIsUsed ? all : whole * BLOCKS_PER_GROUP;
  const groups = Math.ceil(blocks / BLOCKS_PER_GROUP);
  const descriptorBlocks = descriptorBlocksOf(groups);
  return {
    diskBytes,
    blocks,
    groups,
    descriptorBlocks,
    reserved: reservedRanges(groups, blocks, descriptorBlocks),
  };
}

function descriptorBlocksOf(groups: number): number {
  return Math.ceil((groups * DESCRIPTOR_BYTES) / BLOCK_BYTES);
}

/** sparse_super: groups 0, 1 and the powers of 3, 5 and 7 hold a superblock and the descriptor table. */
export function hasBackup(group: number): boolean {
  return group <= 1 || isPowerOf(group, 3) || isPowerOf(group, 5) || isPowerOf(group, 7);
}

function isPowerOf(number: number, base: number): boolean {
  let rest = number;
  while (rest % base === 0) rest /= base;
  return rest === 1;
}

function reservedRanges(
  groups: number,
  blocks: number,
  descriptorBlocks: number,
): readonly BlockRange[] {
  const ranges: BlockRange[] = [];
  for (let group = 0; group < groups; group++) {
    if (!hasBackup(group)) continue;
    const first = group * BLOCKS_PER_GROUP;
    const room = Math.min(BLOCKS_PER_GROUP, blocks - first);
    ranges.push({ first, blocks: Math.min(1 + descriptorBlocks + GROWTH_BLOCKS, room) });
  }
  return ranges;
}

/** Blocks of a group: the last one may be shorter. */
export function blocksOfGroup(geometry: Ext4Geometry, group: number): number {
  return Math.min(BLOCKS_PER_GROUP, geometry.blocks - group * BLOCKS_PER_GROUP);
}

/** The runs of blocks in `[first, end)` that bodies and metadata may take, ascending: all but the reserved ones. */
export function usableRanges(
  geometry: Ext4Geometry,
  first = 0,
  end: number = geometry.blocks,
): readonly BlockRange[] {
  const ranges: BlockRange[] = [];
  let at = first;
  for (const reserved of geometry.reserved) {
    if (reserved.first >= end) break;
    if (reserved.first > at) ranges.push({ first: at, blocks: reserved.first - at });
    at = Math.max(at, reserved.first + reserved.blocks);
  }
  if (at < end) ranges.push({ first: at, blocks: end - at });
  return ranges;
}

/** The number of blocks in `usableRanges`. */
export function usableBlocks(
  geometry: Ext4Geometry,
  first = 0,
  end: number = geometry.blocks,
): number {
  return usableRanges(geometry, first, end).reduce((sum, { blocks }) => sum + blocks, 0);
}

/** Blocks of the journal that `mke2fs` would make (`ext2fs_default_journal_size`); 0: none. */
export function journalBlocksOf(blocks: number): number {
  return JOURNAL_SIZES.find(([below]) => blocks < below)?.[1] ?? 262_144;
}

const JOURNAL_SIZES: readonly (readonly [below: number, blocks: number])[] = [
  [2048, 0],
  [32_768, 1024],
  [256 * 1024, 4096],
  [512 * 1024, 8192],
  [4096 * 1024, 16_384],
  [8192 * 1024, 32_768],
  [16_384 * 1024, 65_536],
  [32_768 * 1024, 131_072],
];
