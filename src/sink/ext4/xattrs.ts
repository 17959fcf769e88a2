import { hash as digest } from "node:crypto";
import { ImportError, printable } from "../../errors.ts";
import type { Xattr } from "../../rootfs/rootfs-tree.ts";
import {
  BLOCK_BYTES,
  XATTR_BLOCK_HEADER_BYTES,
  XATTR_BLOCK_ROOM,
  XATTR_ENTRY_BYTES,
  XATTR_INODE_ROOM,
  XATTR_MAGIC,
} from "./format.ts";
import { xattrVerdict, type StoredXattr, type XattrHolder } from "../xattr-verdict.ts";
import { ext4Acl } from "./ext4-acl.ts";

const EXT4: XattrHolder = { name: "ext4", encodeAcl: ext4Acl };

/**
 * How the attributes of an inode lie: in the rest of the inode what fits, the others in one block.
 *
 *     inode    magic (4), entries …, four zero bytes, … values       value offsets count from the first entry
 *     block    header (32), entries …, four zero bytes, … values     value offsets count from the block's start
 *
 * Entries grow up and values grow down, each padded to 4 bytes. The kernel searches a block as sorted by namespace, length
 * of the name, name (`fs/ext4/xattr.c`, `xattr_find_entry`).
 */
export interface XattrPlan {
  /** Bytes from the end of the inode's fields on; empty for none. */
  readonly inInode: Uint8Array;
  /** Undefined: no block is needed. */
  readonly block: XattrBlock | undefined;
  /** The permission bits that the access ACL gives the inode. */
  readonly permissions: number | undefined;
  /** Attributes that ext4 cannot hold, and why. */
  readonly leftOut: readonly string[];
}

export interface XattrBlock {
  /** All of it but the reference count and the checksum. */
  readonly bytes: Uint8Array;
  /** Of its bytes: equal blocks can be shared. */
  readonly digest: string;
}

/**
 * @param type of the inode, its `S_IFMT` bits
 * @param path of the inode, for the error
 * @throws ImportError ERR_LIMIT_EXCEEDED when inode and block are too small for them
 */
export function planXattrs(
  xattrs: readonly Xattr[],
  type: number,
  path: () => Uint8Array,
): XattrPlan {
  const stored: StoredXattr[] = [];
  const leftOut: string[] = [];
  let permissions: number | undefined;
  for (const xattr of xattrs) {
    const verdict = xattrVerdict(xattr, type, EXT4);
    if (verdict.stored !== undefined) stored.push(verdict.stored);
    if (verdict.leftOut !== undefined) {
      leftOut.push(`${printable(xattr.name)} left out (${verdict.leftOut})`);
    }
    permissions = verdict.permissions ?? permissions;
  }
  const inside: StoredXattr[] = [];
  const outside: StoredXattr[] = [];
  let room = XATTR_INODE_ROOM;
  for (const xattr of stored.toSorted(compareStored)) {
    const fits = costOf(xattr) <= room;
    if (fits) room -= costOf(xattr);
    (fits ? inside : outside).push(xattr);
  }
  const bytes = outside.reduce((sum, xattr) => sum + costOf(xattr), 0);
  if (bytes > XATTR_BLOCK_ROOM) throw tooLarge(xattrs, bytes, path());
  return {
    inInode: inside.length === 0 ? new Uint8Array(0) : packForInode(inside),
    block: outside.length === 0 ? undefined : packBlock(outside),
    permissions,
    leftOut,
  };
}

function compareStored(left: StoredXattr, right: StoredXattr): number {
  return (
    left.index - right.index ||
    left.name.length - right.name.length ||
    Buffer.compare(left.name, right.name)
  );
}

function padded(bytes: number): number {
  return (bytes + 3) & ~3;
}

/** Bytes of an attribute's entry and value. */
function costOf({ name, value }: StoredXattr): number {
  return padded(XATTR_ENTRY_BYTES + name.length) + padded(value.length);
}

function tooLarge(xattrs: readonly Xattr[], bytes: number, path: Uint8Array): ImportError {
  const [largest] = xattrs.toSorted((a, b) => b.value.length - a.value.length);
  const attribute = printable(largest?.name ?? "");
  const shown = printable(path);
  return new ImportError(
    "ERR_LIMIT_EXCEEDED",
    `"${shown}" has extended attributes of ${bytes} bytes (the largest, "${attribute}", has ${largest?.value.length}); ext4 holds ${XATTR_BLOCK_ROOM} a file`,
    {
      hint: "Import the image with --format dir or tar, or rebuild it without that attribute.",
      details: { path: shown, attribute, bytes, limit: XATTR_BLOCK_ROOM },
    },
  );
}

function packForInode(xattrs: readonly StoredXattr[]): Uint8Array {
  const bytes = new Uint8Array(4 + XATTR_INODE_ROOM + 4);
  new DataView(bytes.buffer).setUint32(0, XATTR_MAGIC, true);
  packEntries(bytes, xattrs, { entriesAt: 4, offsetsFrom: 4 });
  return bytes;
}

function packBlock(xattrs: readonly StoredXattr[]): XattrBlock {
  const bytes = new Uint8Array(BLOCK_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, XATTR_MAGIC, true);
  view.setUint32(8, 1, true);
  const hashes = packEntries(bytes, xattrs, {
    entriesAt: XATTR_BLOCK_HEADER_BYTES,
    offsetsFrom: 0,
  });
  const hash = hashes.reduce((sum, entry) => (sum << 16) ^ (sum >>> 16) ^ entry, 0);
  view.setUint32(12, hash >>> 0, true);
  return { bytes, digest: digest("sha256", bytes, "base64") };
}

/** @returns the hash of each entry */
function packEntries(
  bytes: Uint8Array,
  xattrs: readonly StoredXattr[],
  { entriesAt, offsetsFrom }: { readonly entriesAt: number; readonly offsetsFrom: number },
): readonly number[] {
  const view = new DataView(bytes.buffer);
  let at = entriesAt;
  let valueAt = bytes.length;
  return xattrs.map(({ index, name, value }) => {
    valueAt -= padded(value.length);
    const hash = xattrEntryHash(name, value);
    bytes[at] = name.length;
    bytes[at + 1] = index;
    view.setUint16(at + 2, value.length === 0 ? 0 : valueAt - offsetsFrom, true);
    view.setUint32(at + 8, value.length, true);
    view.setUint32(at + 12, hash, true);
    bytes.set(name, at + XATTR_ENTRY_BYTES);
    bytes.set(value, valueAt);
    at += padded(XATTR_ENTRY_BYTES + name.length);
    return hash;
  });
}

/** `ext4_xattr_hash_entry`: over the name without its prefix, and the value in words. */
export function xattrEntryHash(name: Uint8Array, value: Uint8Array): number {
  let hash = 0;
  for (const byte of name) hash = (hash << 5) ^ (hash >>> 27) ^ byte;
  for (let at = 0; at < value.length; at += 4) {
    const word =
      value[at]! |
      ((value[at + 1] ?? 0) << 8) |
      ((value[at + 2] ?? 0) << 16) |
      ((value[at + 3] ?? 0) << 24);
    hash = (hash << 16) ^ (hash >>> 16) ^ word;
  }
  return hash >>> 0;
}
