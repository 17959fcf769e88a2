import { BLOCK_BYTES } from "../block-placement.ts";

/*
 * EROFS as the kernel describes it (`fs/erofs/erofs_fs.h`, `Documentation/filesystems/erofs.rst`): offsets in bytes, numbers
 * little-endian, blocks of 4 KiB.
 */

export const SUPERBLOCK_POSITION = 1024;
export const SUPERBLOCK_BYTES = 128;
export const MAGIC = 0xe0f5_e1e2;

/** `struct erofs_super_block`. */
export const SUPERBLOCK = {
  magic: 0,
  checksum: 4,
  featureCompat: 8,
  blockBits: 12,
  rootNid: 14,
  inodes: 16,
  buildTime: 24,
  blocks: 36,
  metadataBlock: 40,
  uuid: 48,
  featureIncompat: 80,
} as const;

/** The superblock has a checksum; inodes have times of their own. */
export const COMPAT_SB_CHKSUM = 0x1;
export const COMPAT_MTIME = 0x2;
/** Files in chunks: Linux 5.15. Without it, any kernel from 5.4 on reads the image. */
export const INCOMPAT_CHUNKED_FILE = 0x4;

/** An inode's number is where it lies: in slots of this size, counted from the first block of the metadata. */
export const SLOT_BYTES = 32;
/** `struct erofs_inode_extended`. */
export const INODE_BYTES = 64;
export const INODE = {
  format: 0,
  xattrCount: 2,
  mode: 4,
  size: 8,
  /** First block, device number, or how a chunked file is cut. */
  data: 16,
  number: 20,
  uid: 24,
  gid: 28,
  mtime: 32,
  mtimeNanoseconds: 40,
  links: 44,
} as const;

/** `i_format`: bit 0 for 64 bytes, then the data layout. */
export const FORMAT_EXTENDED = 1;
export const FORMAT_LAYOUT_SHIFT = 1;
/** Whole blocks that follow each other. */
export const FLAT_PLAIN = 0;
/** The same, but the rest that fills no block lies behind the inode. */
export const FLAT_INLINE = 2;
/** Chunks of one size, anywhere: a map of their first blocks lies behind the inode. */
export const CHUNK_BASED = 4;

export const MAP_ENTRY_BYTES = 4;
/** The map's entry of a chunk that is a hole. */
export const NULL_BLOCK = 0xffff_ffff;
/** Chunks of 1 GiB at most: the kernel shifts the bytes of one in a `long`, which may have 32 bits (`fs/erofs/data.c`). */
export const MOST_CHUNK_BITS = 18;

/** What block numbers of 32 bits reach, of which the last one means a hole. */
export const MOST_BLOCKS: number = 2 ** 32 - 1;

/** `struct erofs_dirent`. */
export const DIRENT_BYTES = 12;

/** `struct erofs_xattr_ibody_header`, then entries: `struct erofs_xattr_entry`, name, value, padded to 4 bytes. */
export const XATTR_HEADER_BYTES = 12;
export const XATTR_ENTRY_BYTES = 4;
export const XATTR_UNIT_BYTES = 4;
export const LONGEST_XATTR_NAME = 255;
export const LARGEST_XATTR_VALUE = 65_535;
/** What the count of 16 bits reaches: the header counts as one. */
export const LARGEST_XATTR_AREA: number = XATTR_HEADER_BYTES + (65_535 - 1) * XATTR_UNIT_BYTES;

export function blocksFor(bytes: number): number {
  return Math.ceil(bytes / BLOCK_BYTES);
}
