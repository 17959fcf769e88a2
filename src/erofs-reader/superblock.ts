import { crc32c, crc32cOfZeros } from "../image-reader/crc32c.ts";
import { damaged, unsupported } from "../image-reader/image-errors.ts";
import {
  COMPAT_CHECKSUM,
  EXTENSION_SLOT_BYTES,
  INCOMPAT_CHUNKED_FILE,
  SB,
  SUPERBLOCK_AT,
  SUPERBLOCK_BYTES,
  SUPERBLOCK_MAGIC,
} from "./format.ts";

/** A superblock whose numbers agree with each other. */
export interface ErofsSuperblock {
  readonly blockSize: number;
  readonly blocks: number;
  /** Bytes of the superblock with what extends it. */
  readonly superblockBytes: number;
  readonly rootNid: number;
  /** As it counts them. */
  readonly inodes: number;
  /** Where inodes are counted from, bytes. */
  readonly metadataAt: number;
  /** Where shared attributes are counted from, bytes. */
  readonly sharedXattrsAt: number;
  /** The time of compact inodes. */
  readonly buildTime: { readonly seconds: number; readonly nanoseconds: number };
  /** Files may be in chunks. */
  readonly hasChunks: boolean;
  readonly hasChecksum: boolean;
}

/** Features by their bits (`EROFS_FEATURE_INCOMPAT_*`): what mkfs.erofs calls them. */
const INCOMPAT_NAMES: Readonly<Record<number, string>> = {
  0x1: "compression (lz4_0padding)",
  0x2: "compression (compr_cfgs, big_pcluster)",
  0x8: "device_table",
  0x10: "ztailpacking",
  0x20: "fragments or dedupe",
  0x40: "xattr_prefixes",
  0x80: "48bit",
  0x100: "metabox",
};

const LEAST_BLOCK_BITS = 9;
const MOST_BLOCK_BITS = 16;

export function hasMagic(bytes: Buffer): boolean {
  return bytes.readUInt32LE(SB.magic) === SUPERBLOCK_MAGIC;
}

/** The block size that it says, whatever else is wrong. */
export function blockSizeOf(bytes: Buffer): number | undefined {
  const bits = bytes[SB.blockSizeBits]!;
  return bits >= LEAST_BLOCK_BITS && bits <= MOST_BLOCK_BITS ? 2 ** bits : undefined;
}

/** Bytes from the superblock on that its checksum covers: to the end of its block. */
export function checkedLength(blockSize: number): number {
  return blockSize > SUPERBLOCK_AT ? blockSize - SUPERBLOCK_AT : blockSize;
}

/** @param bytes `checkedLength` bytes from the superblock on */
export function checksumHolds(bytes: Buffer): boolean {
  let crc = crc32c(0xffffffff, bytes, 0, SB.checksum);
  crc = crc32cOfZeros(crc, 4);
  return crc32c(crc, bytes, SB.checksum + 4) === bytes.readUInt32LE(SB.checksum);
}

export function saysChecksum(bytes: Buffer): boolean {
  return (bytes.readUInt32LE(SB.featureCompat) & COMPAT_CHECKSUM) !== 0;
}

/**
 * @param bytes that `hasMagic` accepts, at least 128 @param imagePath for messages
 * @throws ImportError ERR_SNAPSHOT_UNSUPPORTED (a feature that this reader does not know), ERR_SNAPSHOT_DAMAGED
 */
export function parseSuperblock(bytes: Buffer, imagePath: string): ErofsSuperblock {
  const unknown = unknownFeatures(bytes);
  if (unknown.length > 0) throw unsupported(imagePath, unknown.join(", "));
  const blockSize = blockSizeOf(bytes);
  if (blockSize === undefined) {
    throw unsupported(imagePath, `blocks of 2^${bytes[SB.blockSizeBits]} bytes`);
  }
  if (bytes[SB.directoryBlockBits] !== 0) {
    throw unsupported(imagePath, "directory blocks of another size");
  }
  const blocks = bytes.readUInt32LE(SB.blocks);
  const metadataBlock = bytes.readUInt32LE(SB.metadataBlock);
  const xattrBlock = bytes.readUInt32LE(SB.xattrBlock);
  const superblockBytes = SUPERBLOCK_BYTES + bytes[SB.extensionSlots]! * EXTENSION_SLOT_BYTES;
  const checks: readonly (readonly [boolean, string])[] = [
    [SUPERBLOCK_AT + superblockBytes <= blocks * blockSize, `it has ${blocks} blocks`],
    [metadataBlock < blocks, `its metadata begin at block ${metadataBlock} of ${blocks}`],
    [xattrBlock < blocks, `its shared attributes begin at block ${xattrBlock} of ${blocks}`],
  ];
  for (const [holds, what] of checks) {
    if (!holds) throw damaged(imagePath, `its superblock contradicts itself: ${what}`);
  }
  return {
    blockSize,
    blocks,
    superblockBytes,
    rootNid: bytes.readUInt16LE(SB.rootNid),
    inodes: Number(bytes.readBigUInt64LE(SB.inodes)),
    metadataAt: metadataBlock * blockSize,
    sharedXattrsAt: xattrBlock * blockSize,
    buildTime: {
      seconds: Number(bytes.readBigInt64LE(SB.buildTime)),
      nanoseconds: bytes.readUInt32LE(SB.buildTimeNanoseconds),
    },
    hasChunks: (bytes.readUInt32LE(SB.featureIncompat) & INCOMPAT_CHUNKED_FILE) !== 0,
    hasChecksum: saysChecksum(bytes),
  };
}

/** Compatible features are those that a reader need not know. */
function unknownFeatures(bytes: Buffer): readonly string[] {
  const bits = bytes.readUInt32LE(SB.featureIncompat) & ~INCOMPAT_CHUNKED_FILE;
  const names: string[] = [];
  for (let shift = 0; shift < 32; shift++) {
    const bit = (1 << shift) >>> 0;
    if ((bits & bit) !== 0) names.push(INCOMPAT_NAMES[bit] ?? `incompat 0x${bit.toString(16)}`);
  }
  return names;
}
