import { ImportError } from "../errors.ts";
import { DEFAULT_LIMITS } from "../limits.ts";
import { SHARED_XATTR_UNIT, XATTR_ENTRY_BYTES, XATTR_HEADER_BYTES } from "./format.ts";
import { brokenInode, type ErofsInode } from "./inode.ts";
import type { ErofsVolume } from "./volume.ts";

/** By `e_name_index` (kernel: `fs/erofs/erofs_fs.h`). */
const PREFIXES: Readonly<Record<number, string>> = {
  1: "user.",
  2: "system.posix_acl_access",
  3: "system.posix_acl_default",
  4: "trusted.",
  6: "security.",
};
const ACL_INDEXES: ReadonlySet<number> = new Set([2, 3]);
/** An ACL stands in an image as the kernel shows it. */
const ACL_VERSION = 2;
const ACL_ENTRY_BYTES = 8;

/** An attribute where it lies. */
export interface StoredXattr {
  /** Its full name, bytes as latin1. */
  readonly name: string;
  /** In the image, bytes: the entry with its name and value. */
  readonly at: number;
  readonly end: number;
  readonly valueAt: number;
  readonly valueBytes: number;
  /** Several inodes may have it. */
  readonly isShared: boolean;
  readonly isAcl: boolean;
}

/**
 * Attributes by their full names (bytes as latin1).
 * @throws ImportError ERR_SNAPSHOT_DAMAGED, ERR_LIMIT_EXCEEDED (more than any import takes)
 */
export function readErofsXattrs(
  volume: ErofsVolume,
  inode: ErofsInode,
): ReadonlyMap<string, Buffer> {
  const found = new Map<string, Buffer>();
  let bytes = 0;
  for (const stored of storedXattrs(volume, inode)) {
    if (typeof stored === "string") throw brokenInode(volume, inode.number, stored);
    // Attack: every inode can name 255 shared values of 64 KiB, for four bytes each.
    bytes += stored.name.length + stored.valueBytes;
    if (bytes > DEFAULT_LIMITS.xattrTotalBytes) throw tooLarge(inode.number);
    found.set(stored.name, Buffer.from(volume.metadata.read(stored.valueAt, stored.valueBytes)));
  }
  return found;
}

/** The attributes of an inode, its own ones last, each name once; or what is wrong with one: "it …". */
export function* storedXattrs(
  volume: ErofsVolume,
  { xattrsAt, xattrBytes }: ErofsInode,
): Generator<StoredXattr | string, void, undefined> {
  if (xattrBytes === 0) return;
  const end = xattrsAt + xattrBytes;
  const sharedCount = volume.metadata.read(xattrsAt, XATTR_HEADER_BYTES)[4]!;
  const ownAt = xattrsAt + XATTR_HEADER_BYTES + sharedCount * SHARED_XATTR_UNIT;
  if (ownAt > end) {
    yield "has shared attributes that go on behind its place for attributes";
    return;
  }
  const names = new Set<string>();
  const once = (stored: StoredXattr | string): StoredXattr | string => {
    if (typeof stored === "string") return stored;
    if (names.has(stored.name)) return "has an attribute twice";
    names.add(stored.name);
    return stored;
  };
  for (let at = xattrsAt + XATTR_HEADER_BYTES; at < ownAt; at += SHARED_XATTR_UNIT) {
    const id = volume.metadata.read(at, SHARED_XATTR_UNIT).readUInt32LE(0);
    const entryAt = volume.superblock.sharedXattrsAt + id * SHARED_XATTR_UNIT;
    yield once(xattrAt(volume, entryAt, { end: volume.sizeBytes, isShared: true }));
  }
  for (let at = ownAt; at < end;) {
    const stored = xattrAt(volume, at, { end, isShared: false });
    yield once(stored);
    // Without its length the next one cannot be found.
    if (typeof stored === "string") return;
    at = Math.ceil(stored.end / 4) * 4;
  }
}

function xattrAt(
  volume: ErofsVolume,
  at: number,
  { end, isShared }: { readonly end: number; readonly isShared: boolean },
): StoredXattr | string {
  const leaves = "has an attribute that goes on behind its place";
  if (at + XATTR_ENTRY_BYTES > end) return leaves;
  const head = volume.metadata.read(at, XATTR_ENTRY_BYTES);
  const nameAt = at + XATTR_ENTRY_BYTES;
  const [nameBytes = 0, index = 0] = head;
  const valueAt = nameAt + nameBytes;
  const valueBytes = head.readUInt16LE(2);
  if (valueAt + valueBytes > end) return leaves;
  const prefix = PREFIXES[index];
  const isAcl = ACL_INDEXES.has(index);
  if (prefix === undefined || isAcl !== (nameBytes === 0)) {
    return `has an attribute of no known kind (${index})`;
  }
  const name = prefix + volume.metadata.read(nameAt, nameBytes).toString("latin1");
  if (name.includes("\0")) return "has an attribute whose name has a NUL";
  return { name, at, end: valueAt + valueBytes, valueAt, valueBytes, isShared, isAcl };
}

/** Whether an ACL is one: version 2, and entries of 8 bytes. */
export function isKernelAcl(volume: ErofsVolume, { valueAt, valueBytes }: StoredXattr): boolean {
  if (valueBytes < 4 || (valueBytes - 4) % ACL_ENTRY_BYTES !== 0) return false;
  return volume.metadata.read(valueAt, 4).readUInt32LE(0) === ACL_VERSION;
}

function tooLarge(nid: number): ImportError {
  const limit = DEFAULT_LIMITS.xattrTotalBytes;
  return new ImportError(
    "ERR_LIMIT_EXCEEDED",
    `inode ${nid} has more than ${limit} bytes of attributes`,
    { hint: "No import takes as many.", details: { inode: nid, limit } },
  );
}
