import { crc32c, crc32cOfNumber, crc32cOfZeros } from "../image-reader/crc32c.ts";
import { DESCRIPTOR, RO_COMPAT } from "./format.ts";
import type { Superblock } from "./superblock.ts";

export interface GroupDescriptor {
  readonly blockBitmap: number;
  readonly inodeBitmap: number;
  readonly inodeTable: number;
  readonly freeBlocks: number;
  readonly freeInodes: number;
  readonly usedDirectories: number;
  readonly flags: number;
  /** 16 bits with short descriptors. */
  readonly blockBitmapChecksum: number;
  readonly inodeBitmapChecksum: number;
  /** Inodes at the end of the table that were never used. */
  readonly unusedInodes: number;
  readonly checksum: number;
}

/** Blocks that begin a group and hold copies. */
export interface GroupHead {
  readonly hasSuperblock: boolean;
  /** Blocks of the descriptor table behind it, or at its place. */
  readonly descriptorBlocks: readonly { readonly block: number; readonly tableBlock: number }[];
}

export function groupFirstBlock(superblock: Superblock, group: number): number {
  return superblock.firstDataBlock + group * superblock.blocksPerGroup;
}

export function groupBlockCount(superblock: Superblock, group: number): number {
  const first = groupFirstBlock(superblock, group);
  return Math.min(superblock.blocksPerGroup, superblock.blocks - first);
}

/** Blocks of one inode table. */
export function inodeTableBlocks({ inodesPerGroup, inodeSize, blockSize }: Superblock): number {
  return Math.ceil((inodesPerGroup * inodeSize) / blockSize);
}

/** Group 0, 1 and the powers of 3, 5 and 7 (`sparse_super`), or all of them. */
export function hasSuperblockCopy({ features }: Superblock, group: number): boolean {
  if (group <= 1 || (features.roCompat & RO_COMPAT.sparseSuper) === 0) return true;
  return [3, 5, 7].some((base) => {
    let power = base;
    while (power < group) power *= base;
    return power === group;
  });
}

/** What lies at the start of a group, besides reserved descriptor blocks, which belong to the resize inode. */
export function groupHead(superblock: Superblock, group: number): GroupHead {
  const first = groupFirstBlock(superblock, group);
  const hasSuperblock = hasSuperblockCopy(superblock, group);
  const after = first + (hasSuperblock ? 1 : 0);
  const { firstMetaBlock, descriptorBlocks } = superblock;
  const perBlock = superblock.blockSize / superblock.descriptorSize;
  if (group < firstMetaBlock * perBlock || firstMetaBlock === descriptorBlocks) {
    const count = hasSuperblock ? firstMetaBlock : 0;
    return {
      hasSuperblock,
      descriptorBlocks: Array.from({ length: count }, (_, at) => ({
        block: after + at,
        tableBlock: at,
      })),
    };
  }
  // meta_bg: the first, second and last group that a descriptor block describes hold a copy of it.
  const tableBlock = Math.floor(group / perBlock);
  const holds = [0, 1, perBlock - 1].includes(group % perBlock);
  return { hasSuperblock, descriptorBlocks: holds ? [{ block: after, tableBlock }] : [] };
}

/** Where the kernel reads a block of the descriptor table. */
export function primaryDescriptorBlock(superblock: Superblock, tableBlock: number): number {
  if (tableBlock < superblock.firstMetaBlock) return superblock.firstDataBlock + 1 + tableBlock;
  const perBlock = superblock.blockSize / superblock.descriptorSize;
  const group = tableBlock * perBlock;
  const after = hasSuperblockCopy(superblock, group) ? 1 : 0;
  return groupFirstBlock(superblock, group) + after;
}

/** @param bytes the descriptor, of `descriptorSize` bytes */
export function parseDescriptor(superblock: Superblock, bytes: Buffer): GroupDescriptor {
  const wide = superblock.descriptorSize >= 64;
  const low32 = (at: number): number => bytes.readUInt32LE(at);
  const low16 = (at: number): number => bytes.readUInt16LE(at);
  const high32 = (at: number): number => (wide ? bytes.readUInt32LE(at) * 2 ** 32 : 0);
  const high16 = (at: number): number => (wide ? bytes.readUInt16LE(at) * 2 ** 16 : 0);
  const d = DESCRIPTOR;
  return {
    blockBitmap: low32(d.blockBitmap) + high32(d.blockBitmapHigh),
    inodeBitmap: low32(d.inodeBitmap) + high32(d.inodeBitmapHigh),
    inodeTable: low32(d.inodeTable) + high32(d.inodeTableHigh),
    freeBlocks: low16(d.freeBlocks) + high16(d.freeBlocksHigh),
    freeInodes: low16(d.freeInodes) + high16(d.freeInodesHigh),
    usedDirectories: low16(d.usedDirectories) + high16(d.usedDirectoriesHigh),
    flags: low16(d.flags),
    blockBitmapChecksum: low16(d.blockBitmapChecksum) + high16(d.blockBitmapChecksumHigh),
    inodeBitmapChecksum: low16(d.inodeBitmapChecksum) + high16(d.inodeBitmapChecksumHigh),
    unusedInodes: low16(d.unusedInodes) + high16(d.unusedInodesHigh),
    checksum: low16(d.checksum),
  };
}

/** The low half of a CRC-32C over the group's number and the descriptor, its own field as zeros. */
export function descriptorChecksum(superblock: Superblock, group: number, bytes: Buffer): number {
  let crc = crc32cOfNumber(superblock.checksumSeed, group);
  crc = crc32c(crc, bytes, 0, DESCRIPTOR.checksum);
  crc = crc32cOfZeros(crc, 2);
  return crc32c(crc, bytes, DESCRIPTOR.checksum + 2, superblock.descriptorSize) & 0xffff;
}

/** As much of a bitmap's checksum as a descriptor of this size holds. */
export function bitmapChecksum(superblock: Superblock, bitmap: Uint8Array, bytes: number): number {
  const crc = crc32c(superblock.checksumSeed, bitmap, 0, bytes);
  return superblock.descriptorSize >= 64 ? crc : crc & 0xffff;
}
