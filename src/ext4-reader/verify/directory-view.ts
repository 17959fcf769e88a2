import type { BlockRun } from "../block-map.ts";
import { mapSteps } from "../block-runs.ts";
import { inodeSeed, parseInode, type Inode } from "../inode.ts";
import { inodeTableBlocks } from "../block-groups.ts";
import { descriptorOf, isBlockRange, readBlocks, type Volume } from "../volume.ts";

/** A directory whose blocks are known to be its own, without holes. */
export interface DirectoryView {
  readonly inode: Inode;
  readonly blocks: number;
  /** Start of the checksums of its blocks. */
  readonly seed: number;
  readonly runs: readonly BlockRun[];
}

/** Directories are read so many blocks at once at most. */
const READ_BLOCKS = 64;

/** An inode whatever its checksum says; undefined when its table cannot be read. */
export function rawInode(volume: Volume, number: number): Inode | undefined {
  const { superblock, file } = volume;
  const { inodesPerGroup, inodeSize, blockSize } = superblock;
  if (number < 1 || number > superblock.inodes) return undefined;
  const { inodeTable } = descriptorOf(volume, Math.floor((number - 1) / inodesPerGroup));
  if (!isBlockRange(superblock, inodeTable, inodeTableBlocks(superblock))) return undefined;
  const bytes = Buffer.allocUnsafe(inodeSize);
  file.readSync(bytes, inodeTable * blockSize + ((number - 1) % inodesPerGroup) * inodeSize);
  return parseInode(superblock, number, bytes);
}

/** @param inode a directory whose map was found sound */
export function viewDirectory(volume: Volume, inode: Inode): DirectoryView {
  const runs: BlockRun[] = [];
  let blocks = 0;
  for (const step of mapSteps(volume, inode, () => true)) {
    if (step.kind !== "run") continue;
    runs.push(step.run);
    blocks += step.run.blocks;
  }
  return {
    inode,
    blocks,
    runs,
    seed: inodeSeed(volume.superblock, inode.number, inode.generation),
  };
}

/** One block by its number in the directory, which is below `blocks`. */
export function directoryBlock(volume: Volume, view: DirectoryView, logical: number): Buffer {
  return readBlocks(volume, physicalBlock(view, logical));
}

/** All blocks in order. */
export function* directoryBlocks(
  volume: Volume,
  { runs }: DirectoryView,
): Generator<{ readonly logical: number; readonly physical: number; readonly bytes: Buffer }> {
  const { blockSize } = volume.superblock;
  for (const run of runs) {
    for (let at = 0; at < run.blocks; at += READ_BLOCKS) {
      const count = Math.min(READ_BLOCKS, run.blocks - at);
      const bytes = readBlocks(volume, run.physicalBlock + at, count);
      for (let index = 0; index < count; index++) {
        yield {
          logical: run.logicalBlock + at + index,
          physical: run.physicalBlock + at + index,
          bytes: bytes.subarray(index * blockSize, (index + 1) * blockSize),
        };
      }
    }
  }
}

export function physicalBlock({ runs }: DirectoryView, logical: number): number {
  let low = 0;
  let high = runs.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >>> 1;
    if (runs[middle]!.logicalBlock <= logical) low = middle;
    else high = middle - 1;
  }
  const run = runs[low]!;
  return run.physicalBlock + logical - run.logicalBlock;
}
