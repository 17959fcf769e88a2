import { fileType } from "../image-reader/file-type.ts";
import { damaged } from "../image-reader/image-errors.ts";
import { DEFAULT_LIMITS } from "../limits.ts";
import {
  BLOCK_MAP_ENTRY_BYTES,
  CHUNK_BITS_MASK,
  CHUNK_INDEX_BYTES,
  CHUNK_INDEXES,
  COMPACT,
  COMPACT_INODE_BYTES,
  EXTENDED,
  EXTENDED_INODE_BYTES,
  INODE,
  INODE_FORMAT_BITS,
  LAYOUT,
  SLOT_BYTES,
  XATTR_HEADER_BYTES,
} from "./format.ts";
import type { ErofsVolume } from "./volume.ts";

/** Where the contents of an inode are. */
export type Contents =
  | { readonly kind: "none" }
  /** Whole blocks from `start` on, and what is left of them behind the inode: `tailBytes` at `tailAt`, 0 if nothing is. */
  | {
      readonly kind: "flat";
      readonly start: number;
      readonly blocks: number;
      readonly tailAt: number;
      readonly tailBytes: number;
    }
  /** A map of `count` addresses at `mapAt`, `entryBytes` each; 4: an address, 8: an index. */
  | {
      readonly kind: "chunks";
      readonly mapAt: number;
      readonly count: number;
      readonly entryBytes: number;
      readonly chunkBytes: number;
    };

/** An inode whose parts all lie in the image. What its map of chunks says is another matter. */
export interface ErofsInode {
  /** Its `nid`: where it lies. */
  readonly number: number;
  /** In the image, bytes: the inode, its attributes, and what stands behind them. */
  readonly at: number;
  readonly end: number;
  /** With the type's bits; a known type. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly sizeBytes: number;
  readonly links: number;
  readonly mtime: { readonly seconds: number; readonly nanoseconds: number };
  /** Where its attributes lie, and their bytes: 0 if there are none. */
  readonly xattrsAt: number;
  readonly xattrBytes: number;
  readonly layout: number;
  readonly contents: Contents;
  /** Of a device, as the kernel encodes it. */
  readonly deviceCode: number;
}

/** What both forms say, and where they end. */
type Head = Pick<
  ErofsInode,
  "mode" | "uid" | "gid" | "sizeBytes" | "links" | "mtime" | "xattrBytes" | "layout"
> & { readonly headBytes: number; readonly start: number };

const NANOSECONDS = 1_000_000_000;

/** Where an inode of this number lies, in the image or not. */
export function inodePosition({ superblock }: ErofsVolume, nid: number): number {
  return superblock.metadataAt + nid * SLOT_BYTES;
}

/** @param nid as a directory names it, unchecked @returns the inode, or what is wrong with it: "it …" */
export function inodeAt(volume: ErofsVolume, nid: number): ErofsInode | string {
  const at = inodePosition(volume, nid);
  const head = headAt(volume, at);
  if (typeof head === "string") return head;
  const { headBytes, start, ...facts } = head;
  const type = fileType(facts.mode);
  if (type === undefined) return `has no known type (mode ${facts.mode.toString(8)})`;
  if (facts.mtime.nanoseconds >= NANOSECONDS) {
    return `has a time with ${facts.mtime.nanoseconds} nanoseconds`;
  }
  const { linkTargetBytes } = DEFAULT_LIMITS;
  if (type === "symlink" && !(facts.sizeBytes > 0 && facts.sizeBytes <= linkTargetBytes)) {
    return `is a link of ${facts.sizeBytes} bytes`;
  }
  const xattrsAt = at + headBytes;
  const behind = xattrsAt + facts.xattrBytes;
  const hasContents = type === "file" || type === "directory" || type === "symlink";
  const contents = hasContents
    ? contentsAt(volume, { ...facts, start, behind })
    : ({ kind: "none" } as const);
  if (typeof contents === "string") return contents;
  const end = endOf(contents, behind);
  if (end > volume.sizeBytes) return "goes on behind the end of the image";
  return { number: nid, at, end, ...facts, xattrsAt, contents, deviceCode: start };
}

function headAt(volume: ErofsVolume, at: number): Head | string {
  const room = volume.sizeBytes - at;
  if (!Number.isSafeInteger(at) || room < COMPACT_INODE_BYTES) return "is not in the image";
  const bytes = volume.metadata.read(at, Math.min(room, EXTENDED_INODE_BYTES));
  const format = bytes.readUInt16LE(INODE.format);
  if ((format & ~INODE_FORMAT_BITS) !== 0) return `has a form of no known kind (${format})`;
  const isExtended = (format & 1) !== 0;
  if (isExtended && room < EXTENDED_INODE_BYTES) return "goes on behind the end of the image";
  const count = bytes.readUInt16LE(INODE.xattrCount);
  // A header without attributes is refused by the kernel too.
  if (count === 1) return "has attributes of no known form";
  const common = {
    mode: bytes.readUInt16LE(INODE.mode),
    layout: format >>> 1,
    start: bytes.readUInt32LE(INODE.start),
    xattrBytes: count === 0 ? 0 : XATTR_HEADER_BYTES + (count - 1) * 4,
  };
  return { ...common, ...(isExtended ? extendedHead(bytes) : compactHead(volume, bytes)) };
}

function extendedHead(bytes: Buffer): Omit<Head, "mode" | "layout" | "start" | "xattrBytes"> {
  return {
    headBytes: EXTENDED_INODE_BYTES,
    uid: bytes.readUInt32LE(EXTENDED.uid),
    gid: bytes.readUInt32LE(EXTENDED.gid),
    sizeBytes: Number(bytes.readBigUInt64LE(INODE.size)),
    links: bytes.readUInt32LE(EXTENDED.links),
    mtime: {
      seconds: Number(bytes.readBigInt64LE(EXTENDED.mtime)),
      nanoseconds: bytes.readUInt32LE(EXTENDED.mtimeNanoseconds),
    },
  };
}

/** Its time counts from the image's on; images older than Linux 6.15 have 0 there. */
function compactHead(
  { superblock: { buildTime } }: ErofsVolume,
  bytes: Buffer,
): Omit<Head, "mode" | "layout" | "start" | "xattrBytes"> {
  return {
    headBytes: COMPACT_INODE_BYTES,
    uid: bytes.readUInt16LE(COMPACT.uid),
    gid: bytes.readUInt16LE(COMPACT.gid),
    sizeBytes: bytes.readUInt32LE(INODE.size),
    links: bytes.readUInt16LE(COMPACT.links),
    mtime: {
      seconds: buildTime.seconds + bytes.readUInt32LE(COMPACT.mtime),
      nanoseconds: buildTime.nanoseconds,
    },
  };
}

/** @param inode `behind`: where its attributes end */
function contentsAt(
  volume: ErofsVolume,
  inode: Pick<Head, "layout" | "sizeBytes" | "start"> & { readonly behind: number },
): Contents | string {
  const { layout, sizeBytes } = inode;
  if (sizeBytes > DEFAULT_LIMITS.fileBytes) return `has ${sizeBytes} bytes`;
  if (layout === LAYOUT.plain || layout === LAYOUT.inline) return flatContents(volume, inode);
  if (layout === LAYOUT.chunks) return chunkedContents(volume, inode);
  return layout === LAYOUT.compressed || layout === LAYOUT.compressedFull
    ? "is compressed, in an image that is not"
    : `has its contents in a form of no known kind (${layout})`;
}

/** With a tail, the last block is behind the inode, even when it is full. */
function flatContents(
  { superblock: { blockSize, blocks: blocksOfImage } }: ErofsVolume,
  {
    layout,
    sizeBytes,
    start,
    behind,
  }: Pick<Head, "layout" | "sizeBytes" | "start"> & { readonly behind: number },
): Contents | string {
  const all = Math.ceil(sizeBytes / blockSize);
  const hasTail = layout === LAYOUT.inline && all > 0;
  const blocks = hasTail ? all - 1 : all;
  const tailBytes = hasTail ? sizeBytes - blocks * blockSize : 0;
  if (hasTail && (behind % blockSize) + tailBytes > blockSize) {
    return "has contents behind it that go on in another block";
  }
  if (blocks > 0 && start + blocks > blocksOfImage) {
    return `has ${blocks} blocks from ${start} on; the image has ${blocksOfImage}`;
  }
  return { kind: "flat", start, blocks, tailAt: behind, tailBytes };
}

function chunkedContents(
  { superblock: { blockSize } }: ErofsVolume,
  { sizeBytes, start, behind }: Pick<Head, "sizeBytes" | "start"> & { readonly behind: number },
): Contents | string {
  const format = start & 0xffff;
  if ((format & ~(CHUNK_BITS_MASK | CHUNK_INDEXES)) !== 0) {
    return `has chunks of a form of no known kind (${format})`;
  }
  const entryBytes = (format & CHUNK_INDEXES) === 0 ? BLOCK_MAP_ENTRY_BYTES : CHUNK_INDEX_BYTES;
  const chunkBytes = blockSize * 2 ** (format & CHUNK_BITS_MASK);
  return {
    kind: "chunks",
    mapAt: Math.ceil(behind / entryBytes) * entryBytes,
    count: Math.ceil(sizeBytes / chunkBytes),
    entryBytes,
    chunkBytes,
  };
}

function endOf(contents: Contents, behind: number): number {
  if (contents.kind === "flat") return behind + contents.tailBytes;
  if (contents.kind === "none" || contents.count === 0) return behind;
  return contents.mapAt + contents.count * contents.entryBytes;
}

/**
 * @param nid as a directory names it, unchecked
 * @throws ImportError ERR_SNAPSHOT_DAMAGED
 */
export function readErofsInode(volume: ErofsVolume, nid: number): ErofsInode {
  const inode = inodeAt(volume, nid);
  if (typeof inode === "string") throw brokenInode(volume, nid, inode);
  return inode;
}

/** @param what "has no target" */
export function brokenInode({ file }: ErofsVolume, nid: number, what: string): Error {
  return damaged(file.path, `inode ${nid} ${what}`, { inode: nid });
}

/** Of a device: its number in the kernel's new encoding (`new_encode_dev`). */
export function erofsDeviceNumber({ deviceCode }: ErofsInode): {
  readonly major: number;
  readonly minor: number;
} {
  return {
    major: (deviceCode >>> 8) & 0xfff,
    minor: (deviceCode & 0xff) | ((deviceCode >>> 12) & 0xfff00),
  };
}
