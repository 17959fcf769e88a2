import { isAscii, isUtf8 } from "node:buffer";
import type { Xattr } from "../../rootfs/rootfs-tree.ts";

/*
 * The headers of one entry (POSIX pax): a ustar block, and before it, only where that cannot say all, an extended header.
 *
 *     0 name[100]  100 mode[8]  108 uid[8]  116 gid[8]  124 size[12]  136 mtime[12]  148 checksum[8]  156 type
 *     157 linkname[100]  257 "ustar\0" "00"  265 uname[32]  297 gname[32]  329 devmajor[8]  337 devminor[8]  345 prefix[155]
 *
 * Numbers are octal digits with a NUL after them. What does not fit is a record of the extended header, `length key=value\n`,
 * in this order:
 *
 *     hdrcharset=BINARY   before names that are not UTF-8
 *     path, linkpath      longer than their fields, or not ASCII
 *     size, uid, gid      beyond their digits
 *     mtime               before 1970, beyond 2242, or with a fraction of a second
 *     SCHILY.xattr.NAME   any bytes, as star, GNU tar, libarchive and Go write them
 *
 * Equal entries are equal bytes: there is one way to say a thing, user and group names stay empty, and so do the fields of
 * an extended header that nobody reads.
 */

export const TAR_BLOCK_BYTES = 512;

export const TarType = {
  file: "0",
  hardLink: "1",
  symlink: "2",
  character: "3",
  block: "4",
  directory: "5",
  fifo: "6",
} as const;
export type TarType = (typeof TarType)[keyof typeof TarType];

export interface TarEntry {
  /** The path from the root without a slash before it; of a directory, with one behind it. */
  readonly name: Uint8Array;
  readonly type: TarType;
  /** Permission bits. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Bytes of the body that follows. */
  readonly size: number;
  /** An integer. */
  readonly mtimeSeconds: number;
  readonly mtimeNanoseconds: number;
  /** Symlink: its target. Hard link: the name of an entry before it. Else empty. */
  readonly linkName: Uint8Array;
  readonly deviceMajor: number;
  readonly deviceMinor: number;
  /** Sorted by name; all of them `isSayable`. */
  readonly xattrs: readonly Xattr[];
}

const NAME_BYTES = 100;
const PREFIX_BYTES = 155;
const LARGEST_ID = 0o7777777;
const LARGEST_LONG = 0o77777777777;
const INT64_LIMIT = 2 ** 63;
const SLASH = 0x2f;
const EQUALS = 0x3d;
const NONE = new Uint8Array(0);
const MAGIC_AND_VERSION = Buffer.from("ustar\x0000");
/** What an extended header is called; readers that know none would make a file of that name. */
const EXTENSION_NAME = Buffer.from("././@PaxHeader");

/** A record ends its key at the first `=`, so that no attribute with one in its name can be told from another. */
export function isSayable(xattr: Xattr): boolean {
  return !xattr.name.includes(EQUALS);
}

/** The header of one entry with what must stand before it: a whole number of blocks. */
export function encodeTarHeader(entry: TarEntry): Buffer {
  const split = isAscii(entry.name) ? splitName(entry.name) : undefined;
  const records = extendedRecords(entry, split === undefined);
  if (records.length === 0) {
    const block = Buffer.alloc(TAR_BLOCK_BYTES);
    writeBlock(block, entry, split);
    return block;
  }
  const body = Buffer.concat(records);
  const bodyBytes = roundUp(body.length);
  const blocks = Buffer.alloc(bodyBytes + 2 * TAR_BLOCK_BYTES);
  writeBlock(blocks, extensionEntry(body.length), { name: EXTENSION_NAME, prefix: NONE });
  blocks.set(body, TAR_BLOCK_BYTES);
  writeBlock(blocks.subarray(TAR_BLOCK_BYTES + bodyBytes), entry, split);
  return blocks;
}

/** Bytes up to the next whole block. */
export function paddingAfter(bytes: number): number {
  return roundUp(bytes) - bytes;
}

function roundUp(bytes: number): number {
  return Math.ceil(bytes / TAR_BLOCK_BYTES) * TAR_BLOCK_BYTES;
}

type HeaderFields = Omit<TarEntry, "type" | "xattrs"> & { readonly type: string };

function extensionEntry(size: number): HeaderFields {
  return {
    name: EXTENSION_NAME,
    type: "x",
    mode: 0o644,
    uid: 0,
    gid: 0,
    size,
    mtimeSeconds: 0,
    mtimeNanoseconds: 0,
    linkName: NONE,
    deviceMajor: 0,
    deviceMinor: 0,
  };
}

interface SplitName {
  readonly prefix: Uint8Array;
  readonly name: Uint8Array;
}

/** In two fields with a slash between them, the first as long as can be; undefined when they do not hold it. */
function splitName(path: Uint8Array): SplitName | undefined {
  if (path.length <= NAME_BYTES) return { prefix: NONE, name: path };
  // The slash at the end of a directory is part of its name.
  const slash = path.lastIndexOf(SLASH, Math.min(path.length - 2, PREFIX_BYTES));
  if (slash <= 0 || path.length - slash - 1 > NAME_BYTES) return undefined;
  return { prefix: path.subarray(0, slash), name: path.subarray(slash + 1) };
}

function extendedRecords(entry: TarEntry, longName: boolean): Buffer[] {
  const records: Buffer[] = [];
  const longLink = entry.linkName.length > NAME_BYTES || !isAscii(entry.linkName);
  if ((longName && !isUtf8(entry.name)) || (longLink && !isUtf8(entry.linkName))) {
    records.push(record("hdrcharset", "BINARY"));
  }
  if (longName) records.push(record("path", entry.name));
  if (longLink) records.push(record("linkpath", entry.linkName));
  if (entry.size > LARGEST_LONG) records.push(record("size", String(entry.size)));
  if (entry.uid > LARGEST_ID) records.push(record("uid", String(entry.uid)));
  if (entry.gid > LARGEST_ID) records.push(record("gid", String(entry.gid)));
  if (!fitsTimeField(entry)) records.push(record("mtime", timeText(entry)));
  for (const { name, value } of entry.xattrs) {
    records.push(record(Buffer.concat([XATTR_PREFIX, name]), value));
  }
  return records;
}

const XATTR_PREFIX = Buffer.from("SCHILY.xattr.");

function record(key: string | Uint8Array, value: string | Uint8Array): Buffer {
  const [keyBytes, valueBytes] = [Buffer.from(key), Buffer.from(value)];
  // A blank, an equals sign and a newline; and the length counts its own digits.
  const rest = keyBytes.length + valueBytes.length + 3;
  let length = rest + String(rest).length;
  if (rest + String(length).length > length) length++;
  return Buffer.concat([Buffer.from(`${length} `), keyBytes, EQUALS_SIGN, valueBytes, NEWLINE]);
}

const EQUALS_SIGN = Buffer.from("=");
const NEWLINE = Buffer.from("\n");

function fitsTimeField({ mtimeSeconds, mtimeNanoseconds }: TarEntry): boolean {
  return mtimeNanoseconds === 0 && mtimeSeconds >= 0 && mtimeSeconds <= LARGEST_LONG;
}

/** Decimal, as short as can be: `-0.5` is half a second before 1970. */
function timeText({ mtimeSeconds, mtimeNanoseconds }: TarEntry): string {
  const seconds = int64(mtimeSeconds);
  if (mtimeNanoseconds === 0) return String(seconds);
  const negative = seconds < 0n;
  const whole = negative ? -(seconds + 1n) : seconds;
  const fraction = negative ? 1_000_000_000 - mtimeNanoseconds : mtimeNanoseconds;
  const digits = String(fraction).padStart(9, "0").replace(/0+$/, "");
  return `${negative ? "-" : ""}${whole}.${digits}`;
}

/** The tree clamps times to int64, whose largest value is no double. */
function int64(seconds: number): bigint {
  return seconds >= INT64_LIMIT ? BigInt(INT64_LIMIT) - 1n : BigInt(seconds);
}

function writeBlock(block: Buffer, entry: HeaderFields, split: SplitName | undefined): void {
  // Where an extended header has the name, a reader that knows none sees its beginning.
  const { name, prefix } = split ?? { name: entry.name.subarray(0, NAME_BYTES), prefix: NONE };
  block.set(name, 0);
  writeOctal(block, 100, 7, entry.mode);
  writeOctal(block, 108, 7, entry.uid);
  writeOctal(block, 116, 7, entry.gid);
  writeOctal(block, 124, 11, entry.size);
  writeOctal(block, 136, 11, Math.max(0, entry.mtimeSeconds));
  block[156] = entry.type.charCodeAt(0);
  block.set(entry.linkName.subarray(0, NAME_BYTES), 157);
  block.set(MAGIC_AND_VERSION, 257);
  writeDevice(block, 329, entry.deviceMajor);
  writeDevice(block, 337, entry.deviceMinor);
  block.set(prefix, 345);
  let sum = 8 * 0x20;
  for (let at = 0; at < TAR_BLOCK_BYTES; at++) sum += block[at]!;
  writeOctal(block, 148, 6, sum);
  block[155] = 0x20;
}

/** Digits and a NUL, which is there already; 0 where a record of the extended header has the number. */
function writeOctal(block: Buffer, offset: number, digits: number, value: number): void {
  const text = value < 8 ** digits ? value.toString(8) : "0";
  block.write(text.padStart(digits, "0"), offset, "latin1");
}

/** No standard record has device numbers; beyond what Linux knows, base-256 as GNU tar and star write them. */
function writeDevice(block: Buffer, offset: number, value: number): void {
  if (value <= LARGEST_ID) {
    writeOctal(block, offset, 7, value);
    return;
  }
  block[offset] = 0x80;
  block.writeUInt32BE(value, offset + 4);
}
