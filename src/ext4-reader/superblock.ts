import { crc32c } from "../image-reader/crc32c.ts";
import { damaged, unsupported } from "../image-reader/image-errors.ts";
import { unreadableFeatures, type Features } from "./features.ts";
import {
  CHECKSUM_CRC32C,
  COMPAT,
  FLAG_UNSIGNED_HASH,
  INCOMPAT,
  RO_COMPAT,
  SB,
  SUPERBLOCK_MAGIC,
} from "./format.ts";

/** A superblock whose numbers agree with each other and with this reader's bounds: block numbers have 32 bits. */
export interface Superblock {
  readonly features: Features;
  readonly blockSize: number;
  readonly blocks: number;
  readonly firstDataBlock: number;
  /** Blocks that one bitmap block describes; groups begin that far apart. */
  readonly blocksPerGroup: number;
  readonly groups: number;
  readonly inodes: number;
  readonly inodesPerGroup: number;
  readonly inodeSize: number;
  readonly firstInode: number;
  readonly descriptorSize: number;
  /** Blocks of the whole descriptor table, one copy. */
  readonly descriptorBlocks: number;
  readonly reservedGdtBlocks: number;
  /** Descriptor blocks from this one on lie in their own groups (`meta_bg`); without it all lie behind the superblocks. */
  readonly firstMetaBlock: number;
  readonly hasChecksums: boolean;
  /** Start of every checksum but the superblock's. */
  readonly checksumSeed: number;
  readonly uuid: Buffer;
  readonly hashSeed: readonly number[];
  readonly unsignedHash: boolean;
  /** 0: there is none. */
  readonly journalInode: number;
  readonly orphanFileInode: number;
}

/** Over all of it but the checksum; the only one that has no seed. */
export function superblockChecksum(bytes: Uint8Array): number {
  return crc32c(0xffffffff, bytes, 0, SB.checksum);
}

export function hasMagic(bytes: Buffer): boolean {
  return bytes.readUInt16LE(SB.magic) === SUPERBLOCK_MAGIC;
}

export function readFeatures(bytes: Buffer): Features {
  return {
    compat: bytes.readUInt32LE(SB.featureCompat),
    incompat: bytes.readUInt32LE(SB.featureIncompat),
    roCompat: bytes.readUInt32LE(SB.featureRoCompat),
  };
}

/**
 * @param bytes 1024 bytes that `hasMagic` accepts @param imagePath for messages
 * @throws ImportError ERR_SNAPSHOT_UNSUPPORTED (a feature or a size that this reader does not know),
 *   ERR_SNAPSHOT_DAMAGED (numbers that contradict each other)
 */
export function parseSuperblock(bytes: Buffer, imagePath: string): Superblock {
  const features = readFeatures(bytes);
  const unknown = unreadableFeatures(features);
  if (unknown.length > 0) throw unsupported(imagePath, unknown.join(", "));
  const blockSize = blockSizeOf(bytes, imagePath);
  const { hasChecksums, checksumSeed } = checksumsOf(bytes, features, imagePath);
  const counts = countsOf(bytes, features, { blockSize, imagePath });
  const descriptorSize = descriptorSizeOf(bytes, features, imagePath);
  const descriptorBlocks = Math.ceil((counts.groups * descriptorSize) / blockSize);
  const has = (compat: number): boolean => (features.compat & compat) !== 0;
  return {
    features,
    blockSize,
    ...counts,
    inodeSize: inodeSizeOf(bytes, blockSize, imagePath),
    firstInode: bytes.readUInt32LE(SB.firstInode),
    descriptorSize,
    descriptorBlocks,
    reservedGdtBlocks: has(COMPAT.resizeInode) ? bytes.readUInt16LE(SB.reservedGdtBlocks) : 0,
    firstMetaBlock:
      (features.incompat & INCOMPAT.metaBlockGroups) === 0
        ? descriptorBlocks
        : Math.min(bytes.readUInt32LE(SB.firstMetaBlockGroup), descriptorBlocks),
    hasChecksums,
    checksumSeed,
    uuid: Buffer.from(bytes.subarray(SB.uuid, SB.uuid + 16)),
    hashSeed: [0, 4, 8, 12].map((at) => bytes.readUInt32LE(SB.hashSeed + at)),
    unsignedHash: (bytes.readUInt32LE(SB.flags) & FLAG_UNSIGNED_HASH) !== 0,
    journalInode: has(COMPAT.hasJournal) ? bytes.readUInt32LE(SB.journalInode) : 0,
    orphanFileInode: has(COMPAT.orphanFile) ? bytes.readUInt32LE(SB.orphanFileInode) : 0,
  };
}

function blockSizeOf(bytes: Buffer, imagePath: string): number {
  const log = bytes.readUInt32LE(SB.logBlockSize);
  if (log > 2) throw unsupported(imagePath, "blocks larger than 4096 bytes");
  const blockSize = 1024 << log;
  if (bytes.readUInt32LE(SB.firstDataBlock) !== (blockSize === 1024 ? 1 : 0)) {
    throw contradiction(imagePath, "the first data block does not fit the block size");
  }
  if (
    bytes.readUInt32LE(SB.logClusterSize) !== log ||
    bytes.readUInt32LE(SB.blocksPerGroup) !== 8 * blockSize ||
    bytes.readUInt32LE(SB.clustersPerGroup) !== 8 * blockSize
  ) {
    throw unsupported(imagePath, "block groups of an unusual size");
  }
  return blockSize;
}

function countsOf(
  bytes: Buffer,
  { incompat }: Features,
  { blockSize, imagePath }: { readonly blockSize: number; readonly imagePath: string },
): Pick<
  Superblock,
  "blocks" | "firstDataBlock" | "blocksPerGroup" | "groups" | "inodes" | "inodesPerGroup"
> {
  const high = (incompat & INCOMPAT.wide) === 0 ? 0 : bytes.readUInt32LE(SB.blocksCountHigh);
  const blocks = bytes.readUInt32LE(SB.blocksCountLow) + high * 2 ** 32;
  if (blocks > 2 ** 32) throw unsupported(imagePath, "more than 2^32 blocks");
  const firstDataBlock = bytes.readUInt32LE(SB.firstDataBlock);
  const blocksPerGroup = 8 * blockSize;
  const groups = Math.ceil((blocks - firstDataBlock) / blocksPerGroup);
  const inodes = bytes.readUInt32LE(SB.inodesCount);
  const inodesPerGroup = bytes.readUInt32LE(SB.inodesPerGroup);
  if (groups < 1) throw contradiction(imagePath, "it has no blocks");
  if (inodesPerGroup < 16 || inodesPerGroup > 8 * blockSize || inodesPerGroup % 8 !== 0) {
    throw contradiction(imagePath, `${inodesPerGroup} inodes in a group`);
  }
  if (inodes !== groups * inodesPerGroup) {
    throw contradiction(
      imagePath,
      `${inodes} inodes in ${groups} groups of ${inodesPerGroup} each`,
    );
  }
  return { blocks, firstDataBlock, blocksPerGroup, groups, inodes, inodesPerGroup };
}

function inodeSizeOf(bytes: Buffer, blockSize: number, imagePath: string): number {
  const size = bytes.readUInt16LE(SB.inodeSize);
  if (bytes.readUInt32LE(SB.revision) !== 1) throw unsupported(imagePath, "the first revision");
  if (size < 128 || size > blockSize || (size & (size - 1)) !== 0) {
    throw contradiction(imagePath, `inodes of ${size} bytes`);
  }
  return size;
}

function descriptorSizeOf(bytes: Buffer, { incompat }: Features, imagePath: string): number {
  if ((incompat & INCOMPAT.wide) === 0) return 32;
  const size = bytes.readUInt16LE(SB.descriptorSize);
  if (size === 64) return size;
  throw unsupported(imagePath, `group descriptors of ${size} bytes`);
}

function checksumsOf(
  bytes: Buffer,
  { incompat, roCompat }: Features,
  imagePath: string,
): Pick<Superblock, "hasChecksums" | "checksumSeed"> {
  const hasChecksums = (roCompat & RO_COMPAT.metadataChecksums) !== 0;
  if (hasChecksums && bytes[SB.checksumType] !== CHECKSUM_CRC32C) {
    throw unsupported(imagePath, `checksums of type ${bytes[SB.checksumType]}`);
  }
  const checksumSeed =
    (incompat & INCOMPAT.checksumSeed) === 0
      ? crc32c(0xffffffff, bytes, SB.uuid, SB.uuid + 16)
      : bytes.readUInt32LE(SB.checksumSeed);
  return { hasChecksums, checksumSeed };
}

function contradiction(imagePath: string, what: string): Error {
  return damaged(imagePath, `its superblock contradicts itself: ${what}`);
}
