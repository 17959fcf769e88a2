/**
 * The ext4 on-disk format as far as this writer uses it: named sizes, offsets and flags, no logic. Everything is
 * little-endian but the journal, which is big-endian. The reader has its own on purpose: what checks an image must not be
 * wrong together with what wrote it.
 *
 * Sources: torvalds/linux `Documentation/filesystems/ext4/*.rst`, `fs/ext4/ext4.h`, `fs/ext4/xattr.h`,
 * `include/linux/jbd2.h`; tytso/e2fsprogs `lib/ext2fs/ext2_fs.h`.
 */

export const BLOCK_BYTES = 4096;
export const BLOCKS_PER_MIB = 256;
/** One bitmap block describes one group. */
export const BLOCKS_PER_GROUP: number = 8 * BLOCK_BYTES;
export const MAX_INODES_PER_GROUP: number = 8 * BLOCK_BYTES;
export const INODE_BYTES = 256;
export const INODES_PER_BLOCK: number = BLOCK_BYTES / INODE_BYTES;
export const DESCRIPTOR_BYTES = 64;
export const SUPERBLOCK_BYTES = 1024;
/** The primary superblock leaves room for a boot sector; its copies begin their block. */
export const PRIMARY_SUPERBLOCK_OFFSET = 1024;

/** Reserved inode numbers (`ext4.h`, "Special inodes numbers"). */
export const ROOT_INODE = 2;
export const JOURNAL_INODE = 8;
/** The first that is not reserved; `mke2fs` gives it to `lost+found`. */
export const FIRST_INODE = 11;

/** Superblock (`struct ext4_super_block`). */
export const SUPER = {
  inodesCount: 0x00,
  blocksCountLow: 0x04,
  freeBlocksCountLow: 0x0c,
  freeInodesCount: 0x10,
  logBlockSize: 0x18,
  logClusterSize: 0x1c,
  blocksPerGroup: 0x20,
  clustersPerGroup: 0x24,
  inodesPerGroup: 0x28,
  writeTime: 0x30,
  maxMountCount: 0x36,
  magic: 0x38,
  state: 0x3a,
  errors: 0x3c,
  lastCheck: 0x40,
  revision: 0x4c,
  firstInode: 0x54,
  inodeSize: 0x58,
  blockGroup: 0x5a,
  featureCompat: 0x5c,
  featureIncompat: 0x60,
  featureRoCompat: 0x64,
  uuid: 0x68,
  volumeName: 0x78,
  journalInode: 0xe0,
  hashSeed: 0xec,
  defaultHashVersion: 0xfc,
  journalBackupType: 0xfd,
  descriptorSize: 0xfe,
  defaultMountOptions: 0x100,
  makeTime: 0x108,
  journalBlocks: 0x10c,
  journalSizeHigh: 0x148,
  journalSizeLow: 0x14c,
  blocksCountHigh: 0x150,
  freeBlocksCountHigh: 0x158,
  minExtraInodeSize: 0x15c,
  wantExtraInodeSize: 0x15e,
  flags: 0x160,
  logGroupsPerFlex: 0x174,
  checksumType: 0x175,
  lostFoundInode: 0x268,
  writeTimeHigh: 0x274,
  makeTimeHigh: 0x276,
  lastCheckHigh: 0x277,
  checksum: 0x3fc,
} as const;

export const SUPER_MAGIC = 0xef53;
/** Bytes of `s_volume_name`. */
export const LABEL_BYTES = 16;

export const COMPAT_HAS_JOURNAL = 0x4;
/** ext_attr 0x8, dir_index 0x20. */
export const FEATURE_COMPAT = 0x28;
/** filetype 0x2, extents 0x40, 64bit 0x80, flex_bg 0x200. */
export const FEATURE_INCOMPAT = 0x2c2;
/** sparse_super 0x1, large_file 0x2, huge_file 0x8, dir_nlink 0x20, extra_isize 0x40, metadata_csum 0x400. */
export const FEATURE_RO_COMPAT = 0x46b;

/** Group descriptor (`struct ext4_group_desc`). */
export const DESCRIPTOR = {
  blockBitmapLow: 0x00,
  inodeBitmapLow: 0x04,
  inodeTableLow: 0x08,
  freeBlocksLow: 0x0c,
  freeInodesLow: 0x0e,
  usedDirectoriesLow: 0x10,
  flags: 0x12,
  blockBitmapChecksumLow: 0x18,
  inodeBitmapChecksumLow: 0x1a,
  unusedInodesLow: 0x1c,
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

/** The group's inode bitmap and table were never written. */
export const GROUP_INODE_UNINIT = 0x1;
/** The group's block bitmap was never written: the kernel makes it up from what it knows of the group. */
export const GROUP_BLOCK_UNINIT = 0x2;
/** The group's inode table is zeros where it is not used: the kernel need not clear it. */
export const GROUP_INODE_ZEROED = 0x4;

/** Inode (`struct ext4_inode`). */
export const INODE = {
  mode: 0x00,
  uidLow: 0x02,
  sizeLow: 0x04,
  accessTime: 0x08,
  changeTime: 0x0c,
  modifyTime: 0x10,
  gidLow: 0x18,
  linksCount: 0x1a,
  blocksLow: 0x1c,
  flags: 0x20,
  block: 0x28,
  xattrBlockLow: 0x68,
  sizeHigh: 0x6c,
  blocksHigh: 0x74,
  xattrBlockHigh: 0x76,
  uidHigh: 0x78,
  gidHigh: 0x7a,
  checksumLow: 0x7c,
  extraSize: 0x80,
  checksumHigh: 0x82,
  changeTimeExtra: 0x84,
  modifyTimeExtra: 0x88,
  accessTimeExtra: 0x8c,
  createTime: 0x90,
  createTimeExtra: 0x94,
  xattrs: 0xa0,
} as const;

/** Bytes of the fields past the first 128: up to `i_projid`. */
export const EXTRA_INODE_BYTES = 32;
/** `i_block`: an extent root, a short symlink's target, or a device number. */
export const I_BLOCK_BYTES = 60;
/** Names of one inode; a directory with more sub-directories says 1 (dir_nlink). */
export const MAX_LINKS = 65_000;
/** `i_blocks` counts in units of 512 bytes. */
export const SECTORS_PER_BLOCK: number = BLOCK_BYTES / 512;

export const INODE_FLAG_INDEX = 0x1000;
export const INODE_FLAG_EXTENTS = 0x8_0000;

/** Extent tree (`ext4_extents.h`): a header, then slots of the same size. */
export const EXTENT_MAGIC = 0xf30a;
export const EXTENT_SLOT_BYTES = 12;
export const EXTENTS_IN_INODE = 4;
/** The last four bytes of a block are its checksum. */
export const EXTENTS_PER_BLOCK = 340;
/** A greater `ee_len` would mean "allocated, not written". */
export const MAX_EXTENT_BLOCKS = 32_768;
export const EXTENT_CHECKSUM_OFFSET: number = BLOCK_BYTES - 4;

/** Directory records (`struct ext4_dir_entry_2`): inode, rec_len, name_len, file_type, name. */
export const RECORD_HEADER_BYTES = 8;
/** The record at the end of each directory block that holds its checksum (`struct ext4_dir_entry_tail`). */
export const DIRECTORY_TAIL_BYTES = 12;
export const DIRECTORY_TAIL_TYPE = 0xde;
export const DIRECTORY_ROOM: number = BLOCK_BYTES - DIRECTORY_TAIL_BYTES;
export const MAX_NAME_BYTES = 255;

/** Hashed directories (`fs/ext4/namei.c`, `struct dx_root`, `struct dx_node`). */
export const HASH_HALF_MD4 = 1;
export const DX_INFO_BYTES = 8;
/** Where `limit` and `count` lie in the root and in an inner node; the entries follow. */
export const DX_ROOT_COUNT_OFFSET = 0x20;
export const DX_NODE_COUNT_OFFSET = 0x08;
export const DX_ENTRY_BYTES = 8;
/** One entry's room is the tail with the checksum. */
export const DX_ROOT_LIMIT = 507;
export const DX_NODE_LIMIT = 510;
export const DX_TAIL_OFFSET: number = BLOCK_BYTES - 8;

/** Extended attributes (`fs/ext4/xattr.h`). */
export const XATTR_MAGIC = 0xea02_0000;
export const XATTR_ENTRY_BYTES = 16;
export const XATTR_BLOCK_HEADER_BYTES = 32;
/** Bytes of entries and values: each list ends with four zero bytes. */
export const XATTR_INODE_ROOM: number = INODE_BYTES - INODE.xattrs - 8;
export const XATTR_BLOCK_ROOM: number = BLOCK_BYTES - XATTR_BLOCK_HEADER_BYTES - 4;
/** Inodes that may share one block (`EXT4_XATTR_REFCOUNT_MAX`). */
export const MAX_XATTR_REFERENCES = 1024;

/** Journal superblock (`struct journal_superblock_s`), big-endian. */
export const JOURNAL = {
  magic: 0x00,
  blockType: 0x04,
  blockSize: 0x0c,
  maxLength: 0x10,
  first: 0x14,
  sequence: 0x18,
  uuid: 0x30,
  users: 0x40,
} as const;
export const JOURNAL_MAGIC = 0xc03b_3998;
export const JOURNAL_SUPERBLOCK_V2 = 4;
