import { ImportError } from "../../errors.ts";
import { omissionLines } from "../omissions.ts";
import { BlockUsage } from "../block-usage.ts";
import { checksumSeed } from "../crc32c.ts";
import { layOutDisk, type DiskLayout } from "./disk-layout.ts";
import { BLOCK_BYTES, BLOCKS_PER_GROUP, LABEL_BYTES, PRIMARY_SUPERBLOCK_OFFSET } from "./format.ts";
import { hasBackup, usableRanges, type BlockRange } from "./geometry.ts";
import { writeGroups, type WrittenGroups } from "./group-descriptors.ts";
import { numberInodes, type InodeNumbers } from "./inode-numbers.ts";
import { writeInodes, type WrittenInodes } from "./inode-tables.ts";
import { writeJournal } from "./journal.ts";
import type { Ext4MetadataInput, Ext4MetadataResult } from "./metadata-input.ts";
import { encodeSuperblock } from "./superblock.ts";
import { surveyTree } from "./survey.ts";
import { XattrBlocks, XattrPlanner } from "./xattr-blocks.ts";

/** Gaps between bodies that may be used when the disk is nearly full. */
const MOST_GAPS = 65_536;

/**
 * Makes a complete ext4 file system around bodies that lie in the image file already.
 *
 *     block 0           boot area (zeros), and from byte 1024 on the superblock: the last write
 *     then              group descriptors, room for more of them; copies of both in groups 1 and 3^n, 5^n, 7^n
 *     then              bodies, wherever they were placed
 *     firstFreeBlock    inode tables, block bitmaps, inode bitmaps, journal
 *     then              directories, extent trees, long symlinks and attribute blocks, in the order of the inodes
 *     then              free space that nobody has written
 *
 * Invariants:
 * 1. A block has one owner: `BlockUsage` refuses a second one. Nothing is written to a block that was not taken.
 * 2. What is not written reads as zeros: the rest of the inode tables and of the journal rely on it.
 * 3. Every checksum is computed over final bytes: numbers, places and reference counts are known before an inode is written.
 * 4. The same input gives the same bytes: nothing here depends on time, chance or the order of the tree's arrays.
 *
 * A crash is harmless: without its superblock the file is no file system, and until it is renamed nobody looks for one.
 * Synchronous: it runs in a worker. Making the bytes durable is the caller's job.
 *
 * @throws ImportError ERR_DISK_TOO_SMALL, ERR_LIMIT_EXCEEDED for what ext4 cannot hold, ERR_CANCELLED, and what
 * `input.file` throws
 */
export function writeExt4Metadata(input: Ext4MetadataInput): Ext4MetadataResult {
  requireFittingLabel(input.identity.label);
  const { geometry, firstFreeBlock, tree } = input;
  const numbers = numberInodes(tree);
  const usage = new BlockUsage(geometry);
  const planner = new XattrPlanner(tree);
  const xattrBlocks = new XattrBlocks();
  const survey = surveyTree(input, { numbers, usage, planner, xattrBlocks });
  const layout = layOutDisk({
    geometry,
    usage,
    gaps: releaseGaps(input, usage),
    firstFreeBlock,
    inodes: numbers.last,
    contentBlocks: survey.contentBlocks,
  });
  const seed = checksumSeed(input.identity.uuid);
  writeJournal(input, layout.journal);
  const inodes = writeInodes(input, { ...layout, numbers, planner, xattrBlocks, seed });
  const groups = writeGroups({
    ...layout,
    file: input.file,
    geometry,
    usage,
    numbers,
    seed,
    directories: inodes.directories,
  });
  writeDescriptorsAndSuperblocks(input, { layout, inodes, groups, numbers });
  return {
    usedBlocks: geometry.blocks - groups.freeBlocks,
    blocks: geometry.blocks,
    inodes: geometry.groups * layout.inodesPerGroup - groups.freeInodes,
    omissions: omissionLines([survey.omissions]),
  };
}

function requireFittingLabel(label: string): void {
  if (Buffer.byteLength(label) <= LABEL_BYTES) return;
  throw new ImportError("ERR_OPTION_INVALID", `the label "${label}" has more than 16 bytes`, {
    hint: "Choose a shorter label.",
  });
}

/**
 * Gives up what no body uses below the first block that was never dealt.
 * @returns the first of those runs, which are zeros now; all of them would be a list as long as a hostile image likes
 */
function releaseGaps(input: Ext4MetadataInput, usage: BlockUsage): readonly BlockRange[] {
  const gaps: BlockRange[] = [];
  for (const range of usableRanges(input.geometry, 0, input.firstFreeBlock)) {
    for (const gap of usage.freeRuns(range)) {
      input.file.release(gap.first, gap.blocks);
      if (gaps.length < MOST_GAPS) gaps.push(gap);
    }
  }
  return gaps;
}

interface WrittenParts {
  readonly layout: DiskLayout;
  readonly inodes: WrittenInodes;
  readonly groups: WrittenGroups;
  readonly numbers: InodeNumbers;
}

/** Backups first, the superblock itself last. */
function writeDescriptorsAndSuperblocks(
  { file, geometry, identity }: Ext4MetadataInput,
  { layout, inodes, groups, numbers }: WrittenParts,
): void {
  const journalBlocks = layout.journal.reduce((sum, { blocks }) => sum + blocks, 0);
  const parts = {
    geometry,
    identity,
    inodesPerGroup: layout.inodesPerGroup,
    freeBlocks: groups.freeBlocks,
    freeInodes: groups.freeInodes,
    hasLostFound: numbers.lostFound !== "taken",
    journal:
      journalBlocks === 0
        ? undefined
        : { sizeBytes: journalBlocks * BLOCK_BYTES, block: inodes.journalBlock },
  };
  for (let group = geometry.groups - 1; group >= 0; group--) {
    if (!hasBackup(group)) continue;
    const start = group * BLOCKS_PER_GROUP * BLOCK_BYTES;
    file.write(groups.descriptors, start + BLOCK_BYTES);
    const offset = group === 0 ? PRIMARY_SUPERBLOCK_OFFSET : 0;
    file.write(encodeSuperblock(parts, group), start + offset);
  }
}
