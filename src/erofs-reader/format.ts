/** Offsets and numbers of EROFS (kernel: `fs/erofs/erofs_fs.h`). Little-endian. */

export const SUPERBLOCK_AT = 1024;
export const SUPERBLOCK_BYTES = 128;
/** Of one slot behind the superblock (`sb_extslots`). */
export const EXTENSION_SLOT_BYTES = 16;
export const SUPERBLOCK_MAGIC = 0xe0f5e1e2;

/** Fields of the superblock. */
export const SB = {
  magic: 0,
  checksum: 4,
  featureCompat: 8,
  blockSizeBits: 12,
  extensionSlots: 13,
  rootNid: 14,
  inodes: 16,
  buildTime: 24,
  buildTimeNanoseconds: 32,
  blocks: 36,
  metadataBlock: 40,
  xattrBlock: 44,
  featureIncompat: 80,
  directoryBlockBits: 90,
} as const;

export const COMPAT_CHECKSUM = 1;
export const INCOMPAT_CHUNKED_FILE = 4;

/** Inodes lie at multiples of it; their numbers (`nid`) count it from the metadata's first block on. */
export const SLOT_BYTES = 32;
export const COMPACT_INODE_BYTES = 32;
export const EXTENDED_INODE_BYTES = 64;

/** Fields that both forms of an inode have. */
export const INODE = { format: 0, xattrCount: 2, mode: 4, size: 8, start: 16 } as const;
export const COMPACT = { links: 6, mtime: 12, uid: 24, gid: 26 } as const;
export const EXTENDED = { uid: 24, gid: 28, mtime: 32, mtimeNanoseconds: 40, links: 44 } as const;

/** Bit 0: extended; bits 1 to 3: the layout. */
export const INODE_FORMAT_BITS = 0x0f;

/** How an inode keeps its contents (`EROFS_INODE_*`); 1 and 3 are compressed. */
export const LAYOUT = { plain: 0, compressedFull: 1, inline: 2, compressed: 3, chunks: 4 } as const;

/** A block address that is none: a hole. */
export const NO_BLOCK = 0xffffffff;
export const CHUNK_BITS_MASK = 0x1f;
export const CHUNK_INDEXES = 0x20;
export const BLOCK_MAP_ENTRY_BYTES = 4;
export const CHUNK_INDEX_BYTES = 8;

export const DIRECTORY_RECORD_BYTES = 12;
export const LONGEST_NAME = 255;

export const XATTR_HEADER_BYTES = 12;
export const XATTR_ENTRY_BYTES = 4;
/** Shared attributes are numbered by it. */
export const SHARED_XATTR_UNIT = 4;
