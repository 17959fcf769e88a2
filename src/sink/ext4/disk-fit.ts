import { ImportError } from "../../errors.ts";
import {
  BLOCKS_PER_GROUP,
  BLOCKS_PER_MIB,
  INODES_PER_BLOCK,
  MAX_INODES_PER_GROUP,
} from "./format.ts";
import {
  ext4Geometry,
  journalBlocksOf,
  LARGEST_DISK_MIB,
  SMALLEST_DISK_MIB,
  usableRanges,
  type BlockRange,
  type Ext4Geometry,
} from "./geometry.ts";

/** What an inode table has at most: one bitmap block describes the inodes of a group. */
export const MOST_TABLE_BLOCKS: number = MAX_INODES_PER_GROUP / INODES_PER_BLOCK;
/** Inodes that even the smallest disk has free. */
const FEWEST_FREE_INODES = 16;

/** What has to lie on a disk, whatever its size. */
export interface DiskNeeds {
  /** Blocks of file bodies, as the layers' streams take them: with those that a later layer hides. */
  readonly bodyBlocks: number;
  /** Blocks of directories, extent trees, long symlinks and attributes; while these are not known, 0. */
  readonly contentBlocks: number;
  /** Inodes in use, the reserved ones included. */
  readonly inodes: number;
}

/** Blocks of each inode table when there are hardly more inodes than there must be. May be more than a table can have. */
export function fewestTableBlocks(groups: number, inodes: number): number {
  return Math.ceil(Math.ceil((inodes + FEWEST_FREE_INODES) / groups) / INODES_PER_BLOCK);
}

/** What the metadata takes besides the inode tables' size. */
export interface MetadataNeeds {
  /** Of each inode table. */
  readonly tableBlocks: number;
  readonly contentBlocks: number;
}

/**
 * Blocks that are missing for the metadata: tables in one piece each, everything else in any pieces.
 * @returns 0 when it fits into the free ranges
 */
export function missingBlocks(
  geometry: Ext4Geometry,
  free: readonly BlockRange[],
  { tableBlocks, contentBlocks }: MetadataNeeds,
): number {
  const { groups, blocks } = geometry;
  const needed = groups * (2 + tableBlocks) + journalBlocksOf(blocks) + contentBlocks;
  let places = 0;
  let room = 0;
  for (const range of free) {
    places += Math.floor(range.blocks / tableBlocks);
    room += range.blocks;
  }
  const forTables = Math.max(0, groups - places) * tableBlocks;
  return Math.max(0, needed - room, forTables);
}

/**
 * MiB of the smallest disk on which all of it fits when the bodies lie without gaps.
 * @param aboveMib only disks larger than this: at 8 MiB, 128 MiB … the journal grows, and less was enough
 * @throws ImportError ERR_LIMIT_EXCEEDED when no disk is large enough
 */
export function smallestDiskMib(needs: DiskNeeds, aboveMib = 0): number {
  for (let mib = Math.max(SMALLEST_DISK_MIB, Math.floor(aboveMib) + 1); mib <= LARGEST_DISK_MIB;) {
    const missing = missingOn(ext4Geometry(mib * 2 ** 20), needs);
    if (missing === 0) return mib;
    // More blocks need more metadata, never less: so no size in between is enough.
    mib += Math.ceil(missing / BLOCKS_PER_MIB);
  }
  throw new ImportError("ERR_LIMIT_EXCEEDED", "no ext4 disk is large enough for the image", {
    hint: "Import the image with --format dir or tar.",
    details: { limit: LARGEST_DISK_MIB },
  });
}

function missingOn(geometry: Ext4Geometry, needs: DiskNeeds): number {
  const { bodyBlocks, contentBlocks, inodes } = needs;
  const tableBlocks = fewestTableBlocks(geometry.groups, inodes);
  if (tableBlocks > MOST_TABLE_BLOCKS) {
    const groups = Math.ceil(inodes / MAX_INODES_PER_GROUP);
    return Math.max(1, groups - geometry.groups) * BLOCKS_PER_GROUP;
  }
  const free: BlockRange[] = [];
  let bodiesLeft = bodyBlocks;
  for (const range of usableRanges(geometry)) {
    const taken = Math.min(bodiesLeft, range.blocks);
    bodiesLeft -= taken;
    free.push({ first: range.first + taken, blocks: range.blocks - taken });
  }
  return bodiesLeft + missingBlocks(geometry, free, { tableBlocks, contentBlocks });
}

/**
 * The error of an image that does not fit, with the size that is enough. Also for a placer that runs out of blocks: with what
 * it knows of the layers by then, the MiB are the fewest that could be.
 */
export function diskTooSmall(geometry: Ext4Geometry, needs: DiskNeeds): ImportError {
  const diskMib = geometry.diskBytes / 2 ** 20;
  const neededMib = smallestDiskMib(needs, diskMib);
  return new ImportError(
    "ERR_DISK_TOO_SMALL",
    `the root filesystem needs a disk of ${neededMib} MiB and was given ${diskMib} MiB`,
    { hint: `Give it at least --disk_mb ${neededMib}.`, details: { diskMib, neededMib } },
  );
}
