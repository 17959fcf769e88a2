import {
  bitmapChecksum,
  groupBlockCount,
  groupFirstBlock,
  groupHead,
  inodeTableBlocks,
  type GroupDescriptor,
} from "../block-groups.ts";
import { BLOCKS_UNINITIALISED, INODES_UNINITIALISED, SB } from "../format.ts";
import { descriptorOf, isBlockRange, readBlocks } from "../volume.ts";
import { countBits, lowestBit } from "./block-usage.ts";
import type { VerifyContext } from "./verify-context.ts";

/** Compares the bitmaps and all counts with what was found in use. */
export async function checkBitmaps(context: VerifyContext, superblockBytes: Buffer): Promise<void> {
  const { volume } = context;
  const { superblock } = volume;
  const free = { blocks: 0, inodes: 0 };
  for (let group = 0; group < superblock.groups; group++) {
    const descriptor = descriptorOf(volume, group);
    checkCounts(context, group, descriptor);
    checkBlockBitmap(context, group, descriptor);
    free.blocks += groupBlockCount(superblock, group) - context.usage.usedIn(group);
    free.inodes += superblock.inodesPerGroup - context.inodesOf[group]!;
    if (group % 64 === 0) await context.breathe();
  }
  const freeBlocks =
    superblockBytes.readUInt32LE(SB.freeBlocksLow) +
    (superblock.descriptorSize >= 64
      ? superblockBytes.readUInt32LE(SB.freeBlocksHigh) * 2 ** 32
      : 0);
  const freeInodes = superblockBytes.readUInt32LE(SB.freeInodes);
  const report = (problem: string): void => context.damage.add({ what: "superblock", problem });
  if (freeBlocks !== free.blocks) {
    report(`it counts ${freeBlocks} free blocks; ${free.blocks} are free`);
  }
  if (freeInodes !== free.inodes) {
    report(`it counts ${freeInodes} free inodes; ${free.inodes} are free`);
  }
}

function checkCounts(context: VerifyContext, group: number, descriptor: GroupDescriptor): void {
  const { volume, usage, damage, inodesOf, directoriesOf } = context;
  const { superblock } = volume;
  const expect = (what: string, counted: number, found: number): void => {
    if (counted === found) return;
    const problem = `the descriptor of group ${group} counts ${counted} ${what}; there are ${found}`;
    damage.add({ what: "group descriptor", problem });
  };
  const { freeBlocks, freeInodes, usedDirectories, unusedInodes, flags } = descriptor;
  expect("free blocks", freeBlocks, groupBlockCount(superblock, group) - usage.usedIn(group));
  expect("free inodes", freeInodes, superblock.inodesPerGroup - inodesOf[group]!);
  expect("directories", usedDirectories, directoriesOf[group]!);
  const unused = (flags & INODES_UNINITIALISED) === 0 ? unusedInodes : superblock.inodesPerGroup;
  if (unused > superblock.inodesPerGroup)
    expect("unused inodes", unused, superblock.inodesPerGroup);
}

function checkBlockBitmap(
  context: VerifyContext,
  group: number,
  descriptor: GroupDescriptor,
): void {
  const { volume, damage } = context;
  const { superblock } = volume;
  const block = descriptor.blockBitmap;
  const report = (problem: string): void =>
    damage.add({ what: "block bitmap", block, problem: `that of group ${group} ${problem}` });
  if ((descriptor.flags & BLOCKS_UNINITIALISED) !== 0) {
    checkInventedBitmap(context, group, descriptor);
    return;
  }
  if (!isBlockRange(superblock, block, 1)) return;
  const bitmap = readBlocks(volume, block);
  if (
    superblock.hasChecksums &&
    bitmapChecksum(superblock, bitmap, bitmap.length) !== descriptor.blockBitmapChecksum
  ) {
    report("has a wrong checksum");
  }
  const size = groupBlockCount(superblock, group);
  for (let bit = size; bit < bitmap.length * 8; bit++) {
    if (((bitmap[bit >>> 3]! >>> (bit & 7)) & 1) === 0) {
      report("has free blocks past the end of the disk");
      break;
    }
  }
  compareBits(context, group, (word) => bitmap.readUInt32LE(word * 4));
}

/**
 * A group without a bitmap: the kernel invents one in which only the group's copies and its own bitmaps and table are in
 * use, and would give away whatever else lies there.
 */
function checkInventedBitmap(
  context: VerifyContext,
  group: number,
  descriptor: GroupDescriptor,
): void {
  const { volume } = context;
  const { superblock } = volume;
  const first = groupFirstBlock(superblock, group);
  const size = groupBlockCount(superblock, group);
  const invented = new Uint32Array(superblock.blocksPerGroup / 32);
  const mark = (start: number, count: number): void => {
    for (let bit = Math.max(0, start - first); bit < Math.min(size, start + count - first); bit++) {
      invented[bit >>> 5] = (invented[bit >>> 5]! | (1 << (bit & 31))) >>> 0;
    }
  };
  for (const { start, count } of knownToKernel(context, group, descriptor)) mark(start, count);
  compareBits(context, group, (word) => invented[word]!);
}

function* knownToKernel(
  { volume }: VerifyContext,
  group: number,
  descriptor: GroupDescriptor,
): Generator<{ readonly start: number; readonly count: number }, void, undefined> {
  const { superblock } = volume;
  const { hasSuperblock, descriptorBlocks } = groupHead(superblock, group);
  const start = groupFirstBlock(superblock, group);
  if (hasSuperblock) yield { start, count: 1 };
  for (const { block } of descriptorBlocks) yield { start: block, count: 1 };
  if (hasSuperblock && superblock.reservedGdtBlocks > 0) {
    yield { start: start + 1 + descriptorBlocks.length, count: superblock.reservedGdtBlocks };
  }
  yield { start: descriptor.blockBitmap, count: 1 };
  yield { start: descriptor.inodeBitmap, count: 1 };
  yield { start: descriptor.inodeTable, count: inodeTableBlocks(superblock) };
}

/** @param wordAt 32 bits of the bitmap on the disk */
function compareBits(
  { volume, usage, damage }: VerifyContext,
  group: number,
  wordAt: (word: number) => number,
): void {
  const { superblock } = volume;
  const size = groupBlockCount(superblock, group);
  const bits = usage.bitsOf(group);
  const lost: Mismatch = { first: undefined, count: 0 };
  const given: Mismatch = { first: undefined, count: 0 };
  for (let word = 0; word * 32 < size; word++) {
    const inside = size - word * 32 >= 32 ? 0xffffffff : (1 << (size - word * 32)) - 1;
    const marked = wordAt(word) & inside;
    const found = bits[word]! & inside;
    if (marked === found) continue;
    note(lost, word, marked & ~found);
    note(given, word, found & ~marked);
  }
  const report = ({ first, count }: Mismatch, problem: string, findOwners?: number): void => {
    if (first === undefined) return;
    const block = groupFirstBlock(superblock, group) + first;
    const many = count === 1 ? "block" : `${count} blocks, the first of them`;
    damage.add({
      what: "block bitmap",
      block,
      ...(findOwners === undefined ? {} : { findOwners }),
      problem: `in group ${group} ${many} ${block} ${problem}`,
    });
  };
  report(lost, "in use by nothing, but not free");
  report(given, "in use, but free in the bitmap", 1);
}

interface Mismatch {
  first: number | undefined;
  count: number;
}

function note(mismatch: Mismatch, word: number, bits: number): void {
  if (bits === 0) return;
  mismatch.first ??= word * 32 + lowestBit(bits);
  mismatch.count += countBits(bits);
}
