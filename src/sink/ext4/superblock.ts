import { CRC_START, crc32c } from "../crc32c.ts";
import {
  BLOCKS_PER_GROUP,
  COMPAT_HAS_JOURNAL,
  DESCRIPTOR_BYTES,
  EXTRA_INODE_BYTES,
  FEATURE_COMPAT,
  FEATURE_INCOMPAT,
  FEATURE_RO_COMPAT,
  FIRST_INODE,
  HASH_HALF_MD4,
  INODE_BYTES,
  JOURNAL_INODE,
  SUPER,
  SUPER_MAGIC,
  SUPERBLOCK_BYTES,
} from "./format.ts";
import type { Ext4Geometry } from "./geometry.ts";
import type { Ext4Identity } from "./metadata-input.ts";

/** 1024 << 2, for blocks and for clusters. */
const LOG_BLOCK_SIZE = 2;
const NO_CHECK_AFTER_MOUNTS = 0xffff;
const STATE_CLEAN = 1;
const ERRORS_CONTINUE = 1;
const DYNAMIC_REVISION = 1;
/** `s_jnl_blocks` is valid; without it `e2fsck -p` would change the image. */
const JOURNAL_BACKUP_BLOCKS = 1;
/** user_xattr 0x4, acl 0x8. */
const DEFAULT_MOUNT_OPTIONS = 0xc;
const SIGNED_DIRECTORY_HASH = 1;
/** 16 groups. */
const LOG_GROUPS_PER_FLEX = 4;
const CHECKSUM_CRC32C = 1;
/** Seconds are kept in 40 bits, and not before 1970. */
const LATEST_SECONDS = 2 ** 40 - 1;

export interface SuperblockParts {
  readonly geometry: Ext4Geometry;
  readonly identity: Ext4Identity;
  readonly inodesPerGroup: number;
  readonly freeBlocks: number;
  readonly freeInodes: number;
  readonly hasLostFound: boolean;
  /** Undefined: no journal. */
  readonly journal: { readonly sizeBytes: number; readonly block: Uint8Array } | undefined;
}

/** The superblock, or its copy that lies in another group. */
export function encodeSuperblock(parts: SuperblockParts, group: number): Uint8Array {
  const { geometry, identity, inodesPerGroup, freeBlocks, freeInodes, hasLostFound } = parts;
  const bytes = new Uint8Array(SUPERBLOCK_BYTES);
  const view = new DataView(bytes.buffer);
  const put16 = (at: number, value: number): void => view.setUint16(at, value, true);
  const put32 = (at: number, value: number): void => view.setUint32(at, value, true);
  const put64 = (low: number, high: number, value: number): void => {
    put32(low, value % 2 ** 32);
    put32(high, Math.floor(value / 2 ** 32));
  };
  put32(SUPER.inodesCount, geometry.groups * inodesPerGroup);
  put64(SUPER.blocksCountLow, SUPER.blocksCountHigh, geometry.blocks);
  put64(SUPER.freeBlocksCountLow, SUPER.freeBlocksCountHigh, freeBlocks);
  put32(SUPER.freeInodesCount, freeInodes);
  put32(SUPER.logBlockSize, LOG_BLOCK_SIZE);
  put32(SUPER.logClusterSize, LOG_BLOCK_SIZE);
  put32(SUPER.blocksPerGroup, BLOCKS_PER_GROUP);
  put32(SUPER.clustersPerGroup, BLOCKS_PER_GROUP);
  put32(SUPER.inodesPerGroup, inodesPerGroup);
  put16(SUPER.maxMountCount, NO_CHECK_AFTER_MOUNTS);
  put16(SUPER.magic, SUPER_MAGIC);
  put16(SUPER.state, STATE_CLEAN);
  put16(SUPER.errors, ERRORS_CONTINUE);
  put32(SUPER.revision, DYNAMIC_REVISION);
  put32(SUPER.firstInode, FIRST_INODE);
  put16(SUPER.inodeSize, INODE_BYTES);
  put16(SUPER.blockGroup, group);
  put32(SUPER.featureIncompat, FEATURE_INCOMPAT);
  put32(SUPER.featureRoCompat, FEATURE_RO_COMPAT);
  bytes.set(identity.uuid, SUPER.uuid);
  bytes.set(Buffer.from(identity.label), SUPER.volumeName);
  bytes.set(identity.hashSeed, SUPER.hashSeed);
  bytes[SUPER.defaultHashVersion] = HASH_HALF_MD4;
  put16(SUPER.descriptorSize, DESCRIPTOR_BYTES);
  put32(SUPER.defaultMountOptions, DEFAULT_MOUNT_OPTIONS);
  put16(SUPER.minExtraInodeSize, EXTRA_INODE_BYTES);
  put16(SUPER.wantExtraInodeSize, EXTRA_INODE_BYTES);
  put32(SUPER.flags, SIGNED_DIRECTORY_HASH);
  bytes[SUPER.logGroupsPerFlex] = LOG_GROUPS_PER_FLEX;
  bytes[SUPER.checksumType] = CHECKSUM_CRC32C;
  put32(SUPER.lostFoundInode, hasLostFound ? FIRST_INODE : 0);
  putTimes(view, identity.epochSeconds);
  putJournal(view, parts.journal);
  // The only checksum that the UUID is not part of.
  put32(SUPER.checksum, crc32c(CRC_START, bytes, 0, SUPER.checksum));
  return bytes;
}

function putTimes(view: DataView, epochSeconds: number): void {
  const seconds = Math.min(Math.max(Math.floor(epochSeconds), 0), LATEST_SECONDS);
  const high = Math.floor(seconds / 2 ** 32);
  for (const at of [SUPER.writeTime, SUPER.lastCheck, SUPER.makeTime]) {
    view.setUint32(at, seconds % 2 ** 32, true);
  }
  for (const at of [SUPER.writeTimeHigh, SUPER.lastCheckHigh, SUPER.makeTimeHigh]) {
    view.setUint8(at, high);
  }
}

function putJournal(view: DataView, journal: SuperblockParts["journal"]): void {
  const hasJournal = journal === undefined ? 0 : COMPAT_HAS_JOURNAL;
  view.setUint32(SUPER.featureCompat, FEATURE_COMPAT | hasJournal, true);
  if (journal === undefined) return;
  view.setUint32(SUPER.journalInode, JOURNAL_INODE, true);
  view.setUint8(SUPER.journalBackupType, JOURNAL_BACKUP_BLOCKS);
  new Uint8Array(view.buffer).set(journal.block, SUPER.journalBlocks);
  view.setUint32(SUPER.journalSizeHigh, Math.floor(journal.sizeBytes / 2 ** 32), true);
  view.setUint32(SUPER.journalSizeLow, journal.sizeBytes % 2 ** 32, true);
}
