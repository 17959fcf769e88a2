/**
 * Where things lie in an ext4 image, as the kernel's `fs/ext4/ext4.h` and `Documentation/filesystems/ext4/` have it. All
 * numbers are little-endian, but those of the journal. Written for the reader alone: what the writer believes of the
 * format must not be what it is checked with.
 */

/** The primary superblock, from the start of the image, bytes. Copies begin with the first block of their group. */
export const SUPERBLOCK_AT = 1024;
export const SUPERBLOCK_BYTES = 1024;

export const SB = {
  inodesCount: 0x00,
  blocksCountLow: 0x04,
  freeBlocksLow: 0x0c,
  freeInodes: 0x10,
  firstDataBlock: 0x14,
  logBlockSize: 0x18,
  logClusterSize: 0x1c,
  blocksPerGroup: 0x20,
  clustersPerGroup: 0x24,
  inodesPerGroup: 0x28,
  mountTime: 0x2c,
  mountCount: 0x34,
  magic: 0x38,
  state: 0x3a,
  revision: 0x4c,
  firstInode: 0x54,
  inodeSize: 0x58,
  groupNumber: 0x5a,
  featureCompat: 0x5c,
  featureIncompat: 0x60,
  featureRoCompat: 0x64,
  uuid: 0x68,
  reservedGdtBlocks: 0xce,
  journalInode: 0xe0,
  lastOrphan: 0xe8,
  hashSeed: 0xec,
  journalBackupType: 0xfd,
  descriptorSize: 0xfe,
  firstMetaBlockGroup: 0x104,
  journalBackup: 0x10c,
  blocksCountHigh: 0x150,
  freeBlocksHigh: 0x158,
  flags: 0x160,
  checksumType: 0x175,
  lostAndFoundInode: 0x268,
  checksumSeed: 0x270,
  orphanFileInode: 0x280,
  checksum: 0x3fc,
} as const;

export const SUPERBLOCK_MAGIC = 0xef53;
export const STATE_CLEAN = 1;
export const STATE_ERRORS = 2;
/** `s_flags`: names are hashed as unsigned bytes. */
export const FLAG_UNSIGNED_HASH = 2;
export const CHECKSUM_CRC32C = 1;
/** `s_jnl_backup_type`: the block map of the journal's inode is kept in the superblock. */
export const JOURNAL_BACKUP_BLOCKS = 1;

export const COMPAT = {
  hasJournal: 0x4,
  extAttr: 0x8,
  resizeInode: 0x10,
  dirIndex: 0x20,
  fastCommit: 0x400,
  orphanFile: 0x1000,
} as const;
export const INCOMPAT = {
  filetype: 0x2,
  recover: 0x4,
  metaBlockGroups: 0x10,
  extents: 0x40,
  wide: 0x80,
  flexGroups: 0x200,
  checksumSeed: 0x2000,
} as const;
export const RO_COMPAT = {
  sparseSuper: 0x1,
  largeFile: 0x2,
  hugeFile: 0x8,
  groupChecksums: 0x10,
  dirNlink: 0x20,
  extraIsize: 0x40,
  metadataChecksums: 0x400,
  readonly: 0x1000,
  orphanPresent: 0x10000,
} as const;

export const DESCRIPTOR = {
  blockBitmap: 0x00,
  inodeBitmap: 0x04,
  inodeTable: 0x08,
  freeBlocks: 0x0c,
  freeInodes: 0x0e,
  usedDirectories: 0x10,
  flags: 0x12,
  blockBitmapChecksum: 0x18,
  inodeBitmapChecksum: 0x1a,
  unusedInodes: 0x1c,
  checksum: 0x1e,
  blockBitmapHigh: 0x20,
  inodeBitmapHigh: 0x24,
  inodeTableHigh: 0x28,
  freeBlocksHigh: 0x2c,
  freeInodesHigh: 0x2e,
  usedDirectoriesHigh: 0x30,
  unusedInodesHigh: 0x32,
  blockBitmapChecksumHigh: 0x38,
  inodeBitmapChecksumHigh: 0x3a,
} as const;
export const INODES_UNINITIALISED = 0x1;
export const BLOCKS_UNINITIALISED = 0x2;
export const INODE_TABLE_ZEROED = 0x4;

export const INODE = {
  mode: 0x00,
  uidLow: 0x02,
  sizeLow: 0x04,
  ctime: 0x0c,
  mtime: 0x10,
  deletionTime: 0x14,
  gidLow: 0x18,
  links: 0x1a,
  sectorsLow: 0x1c,
  flags: 0x20,
  block: 0x28,
  generation: 0x64,
  xattrBlockLow: 0x68,
  sizeHigh: 0x6c,
  sectorsHigh: 0x74,
  xattrBlockHigh: 0x76,
  uidHigh: 0x78,
  gidHigh: 0x7a,
  checksumLow: 0x7c,
  extraSize: 0x80,
  checksumHigh: 0x82,
  mtimeExtra: 0x88,
} as const;
/** `i_block`: an extent root, block pointers, a short symlink, or a device number. */
export const INODE_BLOCK_BYTES = 60;
/** The size of an inode of the first revision; what is larger has extra fields, then attributes. */
export const OLD_INODE_BYTES = 128;

export const INODE_FLAG = {
  index: 0x1000,
  hugeFile: 0x40000,
  extents: 0x80000,
} as const;
/** Compressed, encrypted, verity, attribute in an inode, inline data, case folding: no feature that allows them is read. */
export const UNREADABLE_INODE_FLAGS: number =
  0x4 | 0x200 | 0x400 | 0x800 | 0x100000 | 0x200000 | 0x10000000 | 0x40000000;

export const INO = { badBlocks: 1, root: 2, resize: 7, journal: 8, firstUsable: 11 } as const;
export const LARGEST_LINK_COUNT = 65_000;

export const EXTENT_MAGIC = 0xf30a;
export const EXTENT_HEADER_BYTES = 12;
export const EXTENT_BYTES = 12;
export const EXTENT_ROOT_SLOTS = 4;
/** The kernel's `EXT4_MAX_EXTENT_DEPTH`. */
export const EXTENT_MAX_DEPTH = 5;
/** Longer lengths mean so many blocks less, allocated but never written. */
export const EXTENT_MAX_WRITTEN = 32_768;
/** Logical blocks have 32 bits, and the last number is not used. */
export const MAX_FILE_BLOCKS: number = 2 ** 32 - 1;

export const DIRECTORY_TAIL_BYTES = 12;
export const DIRECTORY_TAIL_TYPE = 0xde;
export const MAX_NAME_BYTES = 255;

export const XATTR_MAGIC = 0xea020000;
export const XATTR_BLOCK_HEADER_BYTES = 32;
export const XATTR_ENTRY_BYTES = 16;
/** `EXT4_XATTR_REFCOUNT_MAX` */
export const XATTR_MAX_REFERENCES = 1024;

export const JOURNAL_MAGIC = 0xc03b3998;
export const ORPHAN_BLOCK_MAGIC = 0x0b10ca04;
