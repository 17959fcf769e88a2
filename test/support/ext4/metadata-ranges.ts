import { fileType } from "../../../src/image-reader/file-type.ts";
import { blockRuns } from "../../../src/ext4-reader/block-runs.ts";
import { directoryEntries, isDotName } from "../../../src/ext4-reader/directory-entries.ts";
import { isFastSymlink, readInode, type Inode } from "../../../src/ext4-reader/inode.ts";
import { openVolume, type Volume } from "../../../src/ext4-reader/volume.ts";
import { mustRun } from "../run-program.ts";

/** Bytes of an image, from start to end without it. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

const INDEX_FLAG = 0x1000;

/**
 * The bytes of an image's metadata in which the structure alone shows every change: what is in use according to dumpe2fs,
 * without
 * - contents of files and targets of long links, which ext4 has no checksums for (the record of an import has);
 * - the boot area, and what stands behind a superblock in its block: nothing reads it;
 * - the rest of the descriptor table's last block;
 * - bitmaps that a descriptor says do not exist (`INODE_UNINIT`, `BLOCK_UNINIT`);
 * - the journal behind its superblock: an empty journal is not read;
 * - slots of a directory's index that are not used: its checksum covers those that are;
 * - inodes that were never used, unless the descriptor says that their table is zeroed.
 */
export async function metadataRanges(imagePath: string): Promise<readonly ByteRange[]> {
  const text = await mustRun("dumpe2fs", [imagePath]);
  const volume = await openVolume(imagePath);
  try {
    const holes = [...(await headHoles(text, volume)), ...fileHoles(volume)];
    return subtract(usedRanges(text, volume), holes);
  } finally {
    await volume.file.close();
  }
}

/** Where byte number `n` of the ranges lies. */
export function positionIn(ranges: readonly ByteRange[], n: number): number {
  let left = n;
  for (const { start, end } of ranges) {
    if (left < end - start) return start + left;
    left -= end - start;
  }
  throw new RangeError(`there is no byte ${n}`);
}

export function bytesIn(ranges: readonly ByteRange[]): number {
  return ranges.reduce((sum, { start, end }) => sum + end - start, 0);
}

interface DumpedGroup {
  readonly first: number;
  readonly last: number;
  readonly text: string;
}

function groupsOf(text: string): readonly DumpedGroup[] {
  return text
    .split(/^Group (?=\d)/m)
    .slice(1)
    .map((group) => {
      const [, first, last] = /Blocks (\d+)-(\d+)/.exec(group) ?? [];
      return { first: Number(first), last: Number(last), text: group };
    });
}

function usedRanges(text: string, { superblock }: Volume): readonly ByteRange[] {
  const { blockSize } = superblock;
  const all = groupsOf(text).map(({ first, last }) => blockRange(first, last, blockSize));
  const free = groupsOf(text).flatMap(({ text: group }) => {
    const list = /Free blocks: ([\d ,-]*)/.exec(group)?.[1] ?? "";
    return list
      .split(", ")
      .filter((part) => part.trim() !== "")
      .map((part) => {
        const [from = "", to = from] = part.split("-");
        return blockRange(Number(from), Number(to), blockSize);
      });
  });
  return subtract(all, free);
}

async function headHoles(text: string, { superblock }: Volume): Promise<readonly ByteRange[]> {
  const { blockSize, groups, descriptorSize, inodesPerGroup, inodeSize } = superblock;
  const holes: ByteRange[] = [{ start: 0, end: 1024 }];
  for (const { text: group } of groupsOf(text)) {
    const copy = Number(/superblock at (\d+)/.exec(group)?.[1] ?? NaN);
    if (!Number.isNaN(copy)) {
      const start = copy * blockSize + (copy === 0 ? 1024 : 0);
      holes.push({ start: start + 1024, end: (copy + 1) * blockSize });
      const table = Number(/Group descriptors at (\d+)/.exec(group)?.[1]) * blockSize;
      const used = table + groups * descriptorSize;
      holes.push({ start: used, end: Math.ceil(used / blockSize) * blockSize });
    }
    const blockBitmap = Number(/Block bitmap at (\d+)/.exec(group)?.[1]);
    const inodeBitmap = Number(/Inode bitmap at (\d+)/.exec(group)?.[1]);
    if (group.includes("BLOCK_UNINIT")) holes.push(blockRange(blockBitmap, blockBitmap, blockSize));
    if (group.includes("INODE_UNINIT")) holes.push(blockRange(inodeBitmap, inodeBitmap, blockSize));
    if (group.includes("ITABLE_ZEROED")) continue;
    const table = Number(/Inode table at (\d+)/.exec(group)?.[1]) * blockSize;
    const unused = Number(/(\d+) unused inodes/.exec(group)?.[1] ?? 0);
    const end = table + inodesPerGroup * inodeSize;
    holes.push({ start: end - unused * inodeSize, end });
  }
  return holes;
}

function fileHoles(volume: Volume): readonly ByteRange[] {
  const { blockSize, journalInode } = volume.superblock;
  const holes: ByteRange[] = [];
  const contents = (inode: Inode): readonly ByteRange[] =>
    [...blockRuns(volume, inode)].map(({ physicalBlock, blocks }) =>
      blockRange(physicalBlock, physicalBlock + blocks - 1, blockSize),
    );
  if (journalInode !== 0) {
    const journal = contents(readInode(volume, journalInode));
    const start = journal[0]?.start ?? 0;
    holes.push(...subtract(journal, [{ start, end: start + 1024 }]));
  }
  const pending = [readInode(volume, 2)];
  for (let directory = pending.pop(); directory !== undefined; directory = pending.pop()) {
    holes.push(...unusedSlots(volume, directory));
    for (const { inode: number, name } of directoryEntries(volume, directory)) {
      if (isDotName(name)) continue;
      const inode = readInode(volume, number);
      const type = fileType(inode.mode);
      if (type === "directory") pending.push(inode);
      else if (type === "file" || (type === "symlink" && !isFastSymlink(inode))) {
        holes.push(...contents(inode));
      }
    }
  }
  return holes;
}

/** Between the entries of an index block and its checksum. */
function unusedSlots(volume: Volume, directory: Inode): readonly ByteRange[] {
  if ((directory.flags & INDEX_FLAG) === 0) return [];
  const { blockSize } = volume.superblock;
  const holes: ByteRange[] = [];
  for (const { logicalBlock, physicalBlock, blocks } of blockRuns(volume, directory)) {
    for (let at = 0; at < blocks; at++) {
      const start = (physicalBlock + at) * blockSize;
      const bytes = Buffer.alloc(blockSize);
      volume.file.readSync(bytes, start);
      const isRoot = logicalBlock + at === 0;
      if (!isRoot && bytes.readUInt16LE(4) !== blockSize) continue;
      const entries = isRoot ? 32 : 8;
      holes.push({
        start: start + entries + bytes.readUInt16LE(entries + 2) * 8,
        end: start + entries + bytes.readUInt16LE(entries) * 8,
      });
    }
  }
  return holes;
}

function blockRange(first: number, last: number, blockSize: number): ByteRange {
  return { start: first * blockSize, end: (last + 1) * blockSize };
}

function subtract(ranges: readonly ByteRange[], holes: readonly ByteRange[]): readonly ByteRange[] {
  let left = [...ranges];
  for (const hole of holes) {
    left = left.flatMap(({ start, end }) =>
      [
        { start, end: Math.min(end, hole.start) },
        { start: Math.max(start, hole.end), end },
      ].filter((range) => range.start < range.end),
    );
  }
  return left;
}
