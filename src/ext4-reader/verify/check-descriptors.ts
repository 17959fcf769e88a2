import {
  descriptorChecksum,
  groupHead,
  inodeTableBlocks,
  parseDescriptor,
  primaryDescriptorBlock,
} from "../block-groups.ts";
import { BLOCKS_UNINITIALISED, INODES_UNINITIALISED, INODE_TABLE_ZEROED } from "../format.ts";
import { descriptorBytes, descriptorOf, isBlockRange, readBlocks } from "../volume.ts";
import type { VerifyContext } from "./verify-context.ts";

const KNOWN_FLAGS = INODES_UNINITIALISED | BLOCKS_UNINITIALISED | INODE_TABLE_ZEROED;

/** Checks each descriptor, and marks the bitmaps and tables that it names as in use. */
export async function checkDescriptors(context: VerifyContext): Promise<void> {
  const { volume, damage } = context;
  const { superblock } = volume;
  for (let group = 0; group < superblock.groups; group++) {
    const bytes = descriptorBytes(volume, group);
    const descriptor = parseDescriptor(superblock, bytes);
    const report = (problem: string, block?: number): void =>
      damage.add({
        what: "group descriptor",
        problem: `the descriptor of group ${group} ${problem}`,
        ...(block === undefined ? {} : { block }),
      });
    if (
      superblock.hasChecksums &&
      descriptor.checksum !== descriptorChecksum(superblock, group, bytes)
    ) {
      report("has a wrong checksum");
    }
    if ((descriptor.flags & ~KNOWN_FLAGS) !== 0) report("has flags that do not exist");
    for (const problem of claimTables(context, group)) report(problem.text, problem.block);
    if (group % 1024 === 0) await context.breathe();
  }
}

function claimTables(
  { volume, usage, sharedTables }: VerifyContext,
  group: number,
): readonly { readonly text: string; readonly block: number }[] {
  const { superblock } = volume;
  const { blockBitmap, inodeBitmap, inodeTable } = descriptorOf(volume, group);
  const wanted = [
    { name: "block bitmap", start: blockBitmap, count: 1 },
    { name: "inode bitmap", start: inodeBitmap, count: 1 },
    { name: "inode table", start: inodeTable, count: inodeTableBlocks(superblock) },
  ];
  return wanted.flatMap(({ name, start, count }) => {
    if (!isBlockRange(superblock, start, count)) {
      return [{ text: `has its ${name} outside of the disk`, block: start }];
    }
    const taken = usage.claim(start, count);
    if (taken === undefined) return [];
    // Attack: tables on top of each other make a small image as large to read as its number of groups says.
    sharedTables.add(group);
    return [{ text: `has its ${name} where something else lies`, block: taken }];
  });
}

/**
 * The copies of the descriptor table. The kernel brings their counts up to date now and then only, so they must agree with
 * the first one in where things lie, and each with its own checksum.
 */
export async function checkDescriptorCopies(context: VerifyContext): Promise<void> {
  const { volume } = context;
  const { superblock, descriptors } = volume;
  const { blockSize } = superblock;
  for (let group = 1; group < superblock.groups; group++) {
    for (const { block, tableBlock } of groupHead(superblock, group).descriptorBlocks) {
      if (block === primaryDescriptorBlock(superblock, tableBlock)) continue;
      const copy = readBlocks(volume, block);
      const first = descriptors.subarray(tableBlock * blockSize, (tableBlock + 1) * blockSize);
      if (!copy.equals(first)) compareCopy(context, { copy, block, tableBlock });
    }
    if (group % 256 === 0) await context.breathe();
  }
}

function compareCopy(
  { volume, damage }: VerifyContext,
  {
    copy,
    block,
    tableBlock,
  }: { readonly copy: Buffer; readonly block: number; readonly tableBlock: number },
): void {
  const { superblock } = volume;
  const { blockSize, descriptorSize, groups } = superblock;
  const perBlock = blockSize / descriptorSize;
  const firstGroup = tableBlock * perBlock;
  for (let at = 0; at < perBlock && firstGroup + at < groups; at++) {
    const group = firstGroup + at;
    const bytes = copy.subarray(at * descriptorSize, (at + 1) * descriptorSize);
    const there = parseDescriptor(superblock, bytes);
    const here = descriptorOf(volume, group);
    const report = (problem: string): void =>
      damage.add({
        what: "group descriptor",
        block,
        problem: `the copy of the descriptor of group ${group} in block ${block} ${problem}`,
      });
    if (
      superblock.hasChecksums &&
      there.checksum !== descriptorChecksum(superblock, group, bytes)
    ) {
      report("has a wrong checksum");
    }
    if (
      there.blockBitmap !== here.blockBitmap ||
      there.inodeBitmap !== here.inodeBitmap ||
      there.inodeTable !== here.inodeTable
    ) {
      report("has bitmaps or tables elsewhere");
    }
  }
}
