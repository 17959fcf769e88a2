import { FORMAT_EXTENDED, FORMAT_LAYOUT_SHIFT, INODE, INODE_BYTES } from "./format.ts";

/** Beyond what int64 holds, which a layer may state: the nearest double below. */
const MOST_SECONDS = 2 ** 63 - 1024;

export interface InodeFields {
  readonly layout: number;
  /** `i_xattr_icount`. */
  readonly xattrCount: number;
  readonly mode: number;
  readonly sizeBytes: number;
  /** First block, device number, or how a chunked file is cut. */
  readonly data: number;
  /** Shown by `stat` on machines of 32 bits alone. */
  readonly number: number;
  readonly uid: number;
  readonly gid: number;
  readonly seconds: number;
  readonly nanoseconds: number;
  readonly links: number;
}

/** Writes an inode into 64 bytes, all of them. */
export function encodeInode(bytes: Uint8Array<ArrayBuffer>, inode: InodeFields): void {
  bytes.fill(0);
  const view = new DataView(bytes.buffer, bytes.byteOffset, INODE_BYTES);
  view.setUint16(INODE.format, FORMAT_EXTENDED | (inode.layout << FORMAT_LAYOUT_SHIFT), true);
  view.setUint16(INODE.xattrCount, inode.xattrCount, true);
  view.setUint16(INODE.mode, inode.mode, true);
  view.setUint32(INODE.size, inode.sizeBytes % 2 ** 32, true);
  view.setUint32(INODE.size + 4, Math.floor(inode.sizeBytes / 2 ** 32), true);
  view.setUint32(INODE.data, inode.data, true);
  view.setUint32(INODE.number, inode.number, true);
  view.setUint32(INODE.uid, inode.uid, true);
  view.setUint32(INODE.gid, inode.gid, true);
  const seconds = Math.min(Math.max(inode.seconds, -MOST_SECONDS), MOST_SECONDS);
  view.setBigInt64(INODE.mtime, BigInt(seconds), true);
  view.setUint32(INODE.mtimeNanoseconds, inode.nanoseconds, true);
  view.setUint32(INODE.links, inode.links, true);
}
