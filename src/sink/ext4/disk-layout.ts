import type { ImportError } from "../../errors.ts";
import { BlockAllocator } from "./block-allocator.ts";
import type { BlockUsage } from "../block-usage.ts";
import { diskTooSmall, fewestTableBlocks, missingBlocks, MOST_TABLE_BLOCKS } from "./disk-fit.ts";
import { INODES_PER_BLOCK } from "./format.ts";
import {
  journalBlocksOf,
  usableBlocks,
  usableRanges,
  type BlockRange,
  type Ext4Geometry,
} from "./geometry.ts";

/** One inode for each so many bytes of disk, unless there are more entries (`mke2fs`, the default inode_ratio). */
const BYTES_PER_INODE = 16_384;
/** A quarter more inodes than the image has: somebody will write to it. */
const SPARE_INODES = 1.25;

export interface LayoutParts {
  readonly geometry: Ext4Geometry;
  readonly usage: BlockUsage;
  /** Free blocks below the first one that was never dealt; they read as zeros. */
  readonly gaps: readonly BlockRange[];
  readonly firstFreeBlock: number;
  /** Inodes in use. */
  readonly inodes: number;
  /** Blocks of directories, extent trees, long symlinks and attributes, at most. */
  readonly contentBlocks: number;
}

/** Where the metadata lies whose place no inode tells. */
export interface DiskLayout {
  readonly inodesPerGroup: number;
  /** By group. */
  readonly tables: Float64Array;
  readonly blockBitmaps: Float64Array;
  readonly inodeBitmaps: Float64Array;
  readonly journal: readonly BlockRange[];
  /** For what inodes point to. */
  readonly allocator: BlockAllocator;
}

/**
 * Places inode tables, bitmaps and journal behind the bodies, in this order: flex_bg lets those of any group lie anywhere,
 * so the number of inodes need not be known before the data is. When what is behind the bodies does not suffice, the gaps
 * between them are used as well.
 * @throws ImportError ERR_DISK_TOO_SMALL when it surely does not fit
 */
export function layOutDisk(parts: LayoutParts): DiskLayout {
  const { geometry } = parts;
  const { groups } = geometry;
  const full = (): ImportError => tooSmall(parts);
  const free = [...usableRanges(geometry, parts.firstFreeBlock), ...parts.gaps];
  const tableBlocks = chooseTableBlocks(parts, free);
  if (tableBlocks === undefined) throw full();
  const allocator = new BlockAllocator(parts.usage, free, full);
  const tables = new Float64Array(groups);
  for (let group = 0; group < groups; group++)
    tables[group] = allocator.takeContiguous(tableBlocks);
  const blockBitmaps = takeSingly(allocator, groups);
  const inodeBitmaps = takeSingly(allocator, groups);
  const journal = allocator.take(journalBlocksOf(geometry.blocks));
  const inodesPerGroup = tableBlocks * INODES_PER_BLOCK;
  return { inodesPerGroup, tables, blockBitmaps, inodeBitmaps, journal, allocator };
}

function takeSingly(allocator: BlockAllocator, count: number): Float64Array {
  const blocks = new Float64Array(count);
  let at = 0;
  for (const run of allocator.take(count)) {
    for (let offset = 0; offset < run.blocks; offset++) blocks[at++] = run.first + offset;
  }
  return blocks;
}

/**
 * Blocks of each inode table: the usual number of inodes, or as many as there is room for.
 * @returns undefined when not even the fewest fit
 */
function chooseTableBlocks(
  { geometry, inodes, contentBlocks }: LayoutParts,
  free: readonly BlockRange[],
): number | undefined {
  const { groups, diskBytes } = geometry;
  const wanted = Math.max(diskBytes / BYTES_PER_INODE, inodes * SPARE_INODES);
  const usual = Math.min(MOST_TABLE_BLOCKS, Math.ceil(wanted / groups / INODES_PER_BLOCK));
  const fewest = fewestTableBlocks(groups, inodes);
  const fits = (tableBlocks: number, content: number): boolean =>
    missingBlocks(geometry, free, { tableBlocks, contentBlocks: content }) === 0;
  if (fewest > MOST_TABLE_BLOCKS || !fits(fewest, 0)) return undefined;
  // What is counted for directories is an upper bound: less than that may still be enough.
  if (!fits(fewest, contentBlocks)) return fewest;
  let good = fewest;
  for (let high = Math.max(usual, fewest); good < high;) {
    const middle = Math.ceil((good + high) / 2);
    if (fits(middle, contentBlocks)) good = middle;
    else high = middle - 1;
  }
  return good;
}

function tooSmall({ geometry, firstFreeBlock, contentBlocks, inodes }: LayoutParts): ImportError {
  const bodyBlocks = usableBlocks(geometry, 0, firstFreeBlock);
  return diskTooSmall(geometry, { bodyBlocks, contentBlocks, inodes });
}
