import { crc32c, crc32cOfNumber, crc32cOfZeros } from "../image-reader/crc32c.ts";
import { damaged } from "../image-reader/image-errors.ts";
import { kernelAcl } from "./acl.ts";
import {
  OLD_INODE_BYTES,
  XATTR_BLOCK_HEADER_BYTES,
  XATTR_ENTRY_BYTES,
  XATTR_MAGIC,
} from "./format.ts";
import type { Inode } from "./inode.ts";
import { isBlockRange, readBlocks, type Volume } from "./volume.ts";

/** By `e_name_index` (kernel: `fs/ext4/xattr.h`). */
const PREFIXES: Readonly<Record<number, string>> = {
  1: "user.",
  2: "system.posix_acl_access",
  3: "system.posix_acl_default",
  4: "trusted.",
  6: "security.",
  7: "system.",
};
const ACL_INDEXES: ReadonlySet<number> = new Set([2, 3]);

/** An attribute as it is stored: the name without its prefix. */
export interface StoredXattr {
  readonly index: number;
  readonly name: Buffer;
  readonly value: Buffer;
  readonly hash: number;
}

/** Where attributes stand: in an inode, or in a block of their own. */
interface XattrArea {
  readonly bytes: Buffer;
  readonly entriesAt: number;
  /** What the offsets of values count from. */
  readonly base: number;
}

/**
 * Attributes by their full names (bytes as latin1); ACLs in the kernel's form.
 * @throws ImportError ERR_SNAPSHOT_DAMAGED
 */
export function readXattrs(volume: Volume, inode: Inode): ReadonlyMap<string, Buffer> {
  const found = new Map<string, Buffer>();
  const areas = [inodeArea(inode), blockArea(volume, inode)];
  for (const area of areas) {
    if (area === undefined) continue;
    const entries = areaEntries(area);
    if (typeof entries === "string") throw broken(volume, inode, entries);
    for (const entry of entries) {
      const value = ACL_INDEXES.has(entry.index) ? kernelAcl(entry.value) : entry.value;
      const prefix = PREFIXES[entry.index];
      if (value === undefined || prefix === undefined) {
        throw broken(volume, inode, "an attribute of no known kind");
      }
      found.set(prefix + entry.name.toString("latin1"), value);
    }
  }
  return found;
}

/** Whether a full name can have been stored under this index and name; the ACLs' names are empty. */
export function isKnownXattr({ index, name, value }: StoredXattr): boolean {
  if (!ACL_INDEXES.has(index)) return PREFIXES[index] !== undefined && name.length > 0;
  return name.length === 0 && kernelAcl(value) !== undefined;
}

/** The attributes inside an inode; undefined when there are none. */
export function inodeArea({ bytes, extraSize }: Inode): XattrArea | undefined {
  const at = OLD_INODE_BYTES + extraSize;
  if (at % 4 !== 0 || at + 4 > bytes.length || bytes.readUInt32LE(at) !== XATTR_MAGIC) {
    return undefined;
  }
  return { bytes, entriesAt: at + 4, base: at + 4 };
}

/** @throws ImportError ERR_SNAPSHOT_DAMAGED */
function blockArea(volume: Volume, inode: Inode): XattrArea | undefined {
  const { xattrBlock } = inode;
  const { superblock } = volume;
  if (xattrBlock === 0) return undefined;
  if (!isBlockRange(superblock, xattrBlock, 1)) {
    throw broken(volume, inode, "a block of attributes that is not on the disk");
  }
  const bytes = readBlocks(volume, xattrBlock);
  if (bytes.readUInt32LE(0) !== XATTR_MAGIC) {
    throw broken(volume, inode, "a block of attributes that is none");
  }
  if (superblock.hasChecksums && !xattrChecksumHolds(superblock.checksumSeed, xattrBlock, bytes)) {
    throw broken(volume, inode, "attributes with a wrong checksum");
  }
  return areaOfBlock(bytes);
}

export function areaOfBlock(bytes: Buffer): XattrArea {
  return { bytes, entriesAt: XATTR_BLOCK_HEADER_BYTES, base: 0 };
}

/** Its seed is the file system's, not an inode's: several inodes may share the block. */
export function xattrChecksumHolds(seed: number, block: number, bytes: Buffer): boolean {
  let crc = crc32cOfNumber(seed, block % 2 ** 32);
  crc = crc32cOfNumber(crc, Math.floor(block / 2 ** 32));
  crc = crc32c(crc, bytes, 0, 16);
  crc = crc32cOfZeros(crc, 4);
  return crc32c(crc, bytes, 20) === bytes.readUInt32LE(16);
}

/** @returns the attributes as they are stored, or what is wrong with them */
export function areaEntries({
  bytes,
  entriesAt,
  base,
}: XattrArea): readonly StoredXattr[] | string {
  const entries: StoredXattr[] = [];
  let at = entriesAt;
  let lowestValue = bytes.length;
  for (;;) {
    if (at + 4 > bytes.length) return "attributes that do not end";
    if (bytes.readUInt32LE(at) === 0) break;
    const nameStart = at + XATTR_ENTRY_BYTES;
    const nameEnd = nameStart + bytes[at]!;
    if (nameEnd > bytes.length) return "an attribute that leaves its place";
    if (bytes.readUInt32LE(at + 4) !== 0) return "an attribute whose value is an inode";
    const size = bytes.readUInt32LE(at + 8);
    const start = base + bytes.readUInt16LE(at + 2);
    if (size > 0 && start + size > bytes.length) return "an attribute whose value leaves its place";
    if (size > 0) lowestValue = Math.min(lowestValue, start);
    entries.push({
      index: bytes[at + 1]!,
      name: Buffer.from(bytes.subarray(nameStart, nameEnd)),
      value: size === 0 ? Buffer.alloc(0) : Buffer.from(bytes.subarray(start, start + size)),
      hash: bytes.readUInt32LE(at + 12),
    });
    at = (nameEnd + 3) & ~3;
  }
  return at + 4 > lowestValue ? "attributes whose values lie over their names" : entries;
}

function broken({ file }: Volume, { number }: Inode, what: string): Error {
  return damaged(file.path, `inode ${number} has ${what}`, { inode: number });
}
