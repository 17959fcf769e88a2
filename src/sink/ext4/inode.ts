import { crc32c, crc32cOfZeros } from "../crc32c.ts";
import { EXTRA_INODE_BYTES, INODE, INODE_BYTES, SECTORS_PER_BLOCK } from "./format.ts";

/** 1901-12-13 to 2446-05-10: 34 bits of seconds, of which the lower 32 are signed. */
const EARLIEST_SECONDS = -(2 ** 31);
const LATEST_SECONDS = 2 ** 34 - 2 ** 31 - 1;
/**
 * 2310-04-04 to 2378-04-22: e2fsck takes these for times before 1970 that an old kernel has written wrongly, and corrects
 * them (`e2fsck/pass1.c`, `check_inode_extra_negative_epoch`).
 */
const MISTAKEN_SECONDS = 2 ** 33 + 2 ** 31;
const NOT_MISTAKEN_SECONDS = MISTAKEN_SECONDS + 2 ** 31;

/** The nearest time that an inode can have, in whole seconds. */
export function storableSeconds(seconds: number): number {
  const clamped = Math.min(Math.max(seconds, EARLIEST_SECONDS), LATEST_SECONDS);
  const isMistaken = clamped >= MISTAKEN_SECONDS && clamped < NOT_MISTAKEN_SECONDS;
  return isMistaken ? MISTAKEN_SECONDS - 1 : clamped;
}

/** The fields of an inode but `i_block` and its attributes, which lie in place already when it is written. */
export interface InodeFields {
  mode: number;
  uid: number;
  gid: number;
  sizeBytes: number;
  links: number;
  /** Blocks of 4 KiB: data, extent tree and attribute block; holes do not count. */
  blocks: number;
  flags: number;
  /** The block with its attributes; 0: none. */
  xattrBlock: number;
  /** Attributes lie behind the fields, in the inode itself. */
  hasXattrs: boolean;
  seconds: number;
  nanoseconds: number;
}

/**
 * Writes the fields of the inode at the offset `at`, and its checksum over all 256 bytes. All four times are the one of the
 * entry: a layer knows no other.
 * @param seed of the inode's checksums
 */
export function writeInodeFields(
  { view, bytes }: { readonly view: DataView; readonly bytes: Uint8Array },
  at: number,
  inode: InodeFields,
  seed: number,
): void {
  view.setUint16(at + INODE.mode, inode.mode, true);
  view.setUint16(at + INODE.uidLow, inode.uid & 0xffff, true);
  view.setUint16(at + INODE.uidHigh, inode.uid >>> 16, true);
  view.setUint16(at + INODE.gidLow, inode.gid & 0xffff, true);
  view.setUint16(at + INODE.gidHigh, inode.gid >>> 16, true);
  view.setUint32(at + INODE.sizeLow, inode.sizeBytes % 2 ** 32, true);
  view.setUint32(at + INODE.sizeHigh, Math.floor(inode.sizeBytes / 2 ** 32), true);
  view.setUint16(at + INODE.linksCount, inode.links, true);
  const sectors = inode.blocks * SECTORS_PER_BLOCK;
  view.setUint32(at + INODE.blocksLow, sectors % 2 ** 32, true);
  view.setUint16(at + INODE.blocksHigh, Math.floor(sectors / 2 ** 32), true);
  view.setUint32(at + INODE.flags, inode.flags, true);
  view.setUint32(at + INODE.xattrBlockLow, inode.xattrBlock % 2 ** 32, true);
  view.setUint16(at + INODE.xattrBlockHigh, Math.floor(inode.xattrBlock / 2 ** 32), true);
  view.setUint16(at + INODE.extraSize, EXTRA_INODE_BYTES, true);
  writeTimes(view, at, inode);
  const used = inode.hasXattrs ? INODE_BYTES : INODE.xattrs;
  const checksum = crc32cOfZeros(crc32c(seed, bytes, at, at + used), INODE_BYTES - used);
  view.setUint16(at + INODE.checksumLow, checksum & 0xffff, true);
  view.setUint16(at + INODE.checksumHigh, checksum >>> 16, true);
}

function writeTimes(view: DataView, at: number, { seconds, nanoseconds }: InodeFields): void {
  const stored = storableSeconds(seconds);
  const fraction = stored === seconds ? nanoseconds : 0;
  const low = stored | 0;
  const epoch = (stored - low) / 2 ** 32;
  const extra = fraction * 4 + epoch;
  view.setInt32(at + INODE.accessTime, low, true);
  view.setInt32(at + INODE.changeTime, low, true);
  view.setInt32(at + INODE.modifyTime, low, true);
  view.setInt32(at + INODE.createTime, low, true);
  view.setUint32(at + INODE.accessTimeExtra, extra, true);
  view.setUint32(at + INODE.changeTimeExtra, extra, true);
  view.setUint32(at + INODE.modifyTimeExtra, extra, true);
  view.setUint32(at + INODE.createTimeExtra, extra, true);
}
