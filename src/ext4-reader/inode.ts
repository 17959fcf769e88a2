import { crc32c, crc32cOfNumber, crc32cOfZeros } from "../image-reader/crc32c.ts";
import { fileType } from "../image-reader/file-type.ts";
import { damaged } from "../image-reader/image-errors.ts";
import { inodeTableBlocks } from "./block-groups.ts";
import { INODE, INODE_BLOCK_BYTES, INODE_FLAG, OLD_INODE_BYTES } from "./format.ts";
import type { Superblock } from "./superblock.ts";
import { descriptorOf, isBlockRange, type Volume } from "./volume.ts";

export interface Inode {
  readonly number: number;
  /** With the type's bits. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly sizeBytes: number;
  readonly links: number;
  /** `i_blocks` in bytes. */
  readonly occupiedBytes: number;
  readonly flags: number;
  readonly generation: number;
  readonly xattrBlock: number;
  readonly deletionTime: number;
  /** Bytes behind the first 128 that hold fields. */
  readonly extraSize: number;
  /** The inode as it stands in the table. */
  readonly bytes: Buffer;
}

/** @param bytes `inodeSize` bytes, kept */
export function parseInode(superblock: Superblock, number: number, bytes: Buffer): Inode {
  const flags = bytes.readUInt32LE(INODE.flags);
  const units =
    bytes.readUInt32LE(INODE.sectorsLow) + bytes.readUInt16LE(INODE.sectorsHigh) * 2 ** 32;
  const unitBytes = (flags & INODE_FLAG.hugeFile) === 0 ? 512 : superblock.blockSize;
  return {
    number,
    mode: bytes.readUInt16LE(INODE.mode),
    uid: bytes.readUInt16LE(INODE.uidLow) + bytes.readUInt16LE(INODE.uidHigh) * 2 ** 16,
    gid: bytes.readUInt16LE(INODE.gidLow) + bytes.readUInt16LE(INODE.gidHigh) * 2 ** 16,
    sizeBytes: bytes.readUInt32LE(INODE.sizeLow) + bytes.readUInt32LE(INODE.sizeHigh) * 2 ** 32,
    links: bytes.readUInt16LE(INODE.links),
    occupiedBytes: units * unitBytes,
    flags,
    generation: bytes.readUInt32LE(INODE.generation),
    xattrBlock:
      bytes.readUInt32LE(INODE.xattrBlockLow) + bytes.readUInt16LE(INODE.xattrBlockHigh) * 2 ** 32,
    deletionTime: bytes.readUInt32LE(INODE.deletionTime),
    extraSize: bytes.length > OLD_INODE_BYTES ? bytes.readUInt16LE(INODE.extraSize) : 0,
    bytes,
  };
}

/** Start of the checksums of everything that an inode owns. */
export function inodeSeed(
  { checksumSeed }: Superblock,
  number: number,
  generation: number,
): number {
  return crc32cOfNumber(crc32cOfNumber(checksumSeed, number), generation);
}

/** Whether the checksum in an inode is that of its bytes. */
export function inodeChecksumHolds(superblock: Superblock, number: number, bytes: Buffer): boolean {
  const hasHigh =
    bytes.length > OLD_INODE_BYTES &&
    bytes.readUInt16LE(INODE.extraSize) >= INODE.checksumHigh + 2 - OLD_INODE_BYTES;
  let crc = inodeSeed(superblock, number, bytes.readUInt32LE(INODE.generation));
  crc = crc32c(crc, bytes, 0, INODE.checksumLow);
  crc = crc32cOfZeros(crc, 2);
  crc = crc32c(crc, bytes, INODE.checksumLow + 2, hasHigh ? INODE.checksumHigh : bytes.length);
  if (!hasHigh) return bytes.readUInt16LE(INODE.checksumLow) === (crc & 0xffff);
  crc = crc32cOfZeros(crc, 2);
  crc = crc32c(crc, bytes, INODE.checksumHigh + 2);
  const high = bytes.readUInt16LE(INODE.checksumHigh) * 2 ** 16;
  return bytes.readUInt16LE(INODE.checksumLow) + high === crc;
}

/**
 * @param number as a directory names it, unchecked
 * @throws ImportError ERR_SNAPSHOT_DAMAGED (no such inode, a wrong checksum, not in use)
 */
export function readInode(volume: Volume, number: number): Inode {
  const { superblock, file } = volume;
  if (number < 1 || number > superblock.inodes) throw broken(volume, number, "does not exist");
  const group = Math.floor((number - 1) / superblock.inodesPerGroup);
  const { inodeTable } = descriptorOf(volume, group);
  if (!isBlockRange(superblock, inodeTable, inodeTableBlocks(superblock))) {
    throw broken(volume, number, "lies in a table outside of the disk");
  }
  const bytes = Buffer.allocUnsafe(superblock.inodeSize);
  const offset = ((number - 1) % superblock.inodesPerGroup) * superblock.inodeSize;
  file.readSync(bytes, inodeTable * superblock.blockSize + offset);
  if (superblock.hasChecksums && !inodeChecksumHolds(superblock, number, bytes)) {
    throw broken(volume, number, "has a wrong checksum");
  }
  const inode = parseInode(superblock, number, bytes);
  if (inode.links === 0 || fileType(inode.mode) === undefined) {
    throw broken(volume, number, "is not in use");
  }
  return inode;
}

function broken({ file }: Volume, inode: number, what: string): Error {
  return damaged(file.path, `inode ${inode} ${what}`, { inode });
}

/** What stands in `i_block`. */
export function inodeBlock({ bytes }: Inode): Buffer {
  return bytes.subarray(INODE.block, INODE.block + INODE_BLOCK_BYTES);
}

/** A symlink whose target stands in the inode itself. */
export function isFastSymlink(inode: Inode): boolean {
  return (
    fileType(inode.mode) === "symlink" &&
    (inode.flags & INODE_FLAG.extents) === 0 &&
    inode.sizeBytes < INODE_BLOCK_BYTES
  );
}

/** Seconds since 1970, and nanoseconds from there on. */
export function modificationTime({ bytes, extraSize }: Inode): {
  readonly seconds: number;
  readonly nanoseconds: number;
} {
  const low = bytes.readInt32LE(INODE.mtime);
  if (extraSize < INODE.mtimeExtra + 4 - OLD_INODE_BYTES) return { seconds: low, nanoseconds: 0 };
  const extra = bytes.readUInt32LE(INODE.mtimeExtra);
  return { seconds: low + (extra & 3) * 2 ** 32, nanoseconds: extra >>> 2 };
}

/** Of a device: its number, in the old form (16 bits) or the new one (32). */
export function deviceNumber(inode: Inode): { readonly major: number; readonly minor: number } {
  const block = inodeBlock(inode);
  const old = block.readUInt32LE(0);
  if (old !== 0) return { major: (old >>> 8) & 0xff, minor: old & 0xff };
  const device = block.readUInt32LE(4);
  return {
    major: (device >>> 8) & 0xfff,
    minor: (device & 0xff) | ((device >>> 12) & 0xfff00),
  };
}
