import type { Superblock } from "../../../src/ext4-reader/superblock.ts";
import { crc32c, le32 } from "../disk-image/crc32c.ts";
import type { Structure } from "../disk-image/image-kind.ts";

const NONE = 0xffff_ffff;

export interface Ext4Part {
  /** The image with the mutation; checksums are corrected in place. */
  readonly bytes: Buffer;
  readonly structures: readonly Structure[];
  /** As it was before the mutation. */
  readonly superblock: Superblock;
}

/**
 * Corrects the checksums of what a mutation touched, written from the kernel's description, so that the reader does not
 * stop at them. @returns the structures whose bytes may have changed by that
 */
export function fixExt4Checksums(
  image: Ext4Part,
  touched: readonly Structure[],
): readonly Structure[] {
  if (!image.superblock.hasChecksums) return touched;
  const all = withDependents(image, touched);
  // A group's bitmaps go into its descriptor, an inode's generation into its blocks: those come after.
  const order = ["superblock", "block bitmap", "inode bitmap", "descriptor", "inode"];
  const rank = ({ kind }: Structure): number => (order.indexOf(kind) + 6) % 6;
  for (const structure of all.toSorted((a, b) => rank(a) - rank(b))) fixOne(image, structure);
  return all;
}

function withDependents(
  { structures }: Ext4Part,
  touched: readonly Structure[],
): readonly Structure[] {
  const groups = new Set(
    touched.filter(({ kind }) => kind.endsWith("bitmap")).map(({ owner }) => owner),
  );
  const inodes = new Set(touched.filter(({ kind }) => kind === "inode").map(({ owner }) => owner));
  const dependents = structures.filter(
    ({ kind, owner }) =>
      (kind === "descriptor" && groups.has(owner)) ||
      ((kind === "directory block" || kind === "map block") && inodes.has(owner)),
  );
  return [...new Set([...touched, ...dependents])];
}

function fixOne(image: Ext4Part, structure: Structure): void {
  const bytes = image.bytes.subarray(structure.start, structure.start + structure.length);
  switch (structure.kind) {
    case "superblock":
      bytes.writeUInt32LE(crc32c(NONE, bytes.subarray(0, 1020)), 1020);
      break;
    case "descriptor":
      bytes.writeUInt16LE(
        crc32c(
          image.superblock.checksumSeed,
          le32(structure.owner),
          bytes.subarray(0, 30),
          Buffer.alloc(2),
          bytes.subarray(32),
        ) & 0xffff,
        30,
      );
      break;
    case "block bitmap":
      fixBitmap(image, structure, { length: image.superblock.blockSize, low: 24, high: 56 });
      break;
    case "inode bitmap":
      fixBitmap(image, structure, {
        length: image.superblock.inodesPerGroup / 8,
        low: 26,
        high: 58,
      });
      break;
    case "inode":
      fixInode(image, structure, bytes);
      break;
    case "directory block":
      fixDirectoryBlock(bytes, inodeSeed(image, structure.owner));
      break;
    case "map block":
      fixMapBlock(bytes, inodeSeed(image, structure.owner));
      break;
    case "xattr block": {
      const block = structure.start / image.superblock.blockSize;
      const where = Buffer.concat([le32(block), le32(0)]);
      const parts = [bytes.subarray(0, 16), Buffer.alloc(4), bytes.subarray(20)];
      bytes.writeUInt32LE(crc32c(image.superblock.checksumSeed, where, ...parts), 16);
      break;
    }
    default:
    // The journal's superblock and the targets of links have none.
  }
}

function fixBitmap(
  { bytes, structures, superblock }: Ext4Part,
  { start, owner }: Structure,
  place: { readonly length: number; readonly low: number; readonly high: number },
): void {
  const descriptor = structures.find((one) => one.kind === "descriptor" && one.owner === owner);
  if (descriptor === undefined) return;
  const crc = crc32c(superblock.checksumSeed, bytes.subarray(start, start + place.length));
  bytes.writeUInt16LE(crc & 0xffff, descriptor.start + place.low);
  if (superblock.descriptorSize >= 64)
    bytes.writeUInt16LE(crc >>> 16, descriptor.start + place.high);
}

function inodeSeed({ bytes, structures, superblock }: Ext4Part, number: number): number {
  const inode = structures.find(({ kind, owner }) => kind === "inode" && owner === number);
  const generation = bytes.readUInt32LE((inode?.start ?? 0) + 100);
  return crc32c(superblock.checksumSeed, le32(number), le32(generation));
}

function fixInode(image: Ext4Part, { owner }: Structure, bytes: Buffer): void {
  const hasHigh = bytes.length > 128 && bytes.readUInt16LE(128) >= 4;
  bytes.writeUInt16LE(0, 124);
  if (hasHigh) bytes.writeUInt16LE(0, 130);
  const crc = crc32c(inodeSeed(image, owner), bytes);
  bytes.writeUInt16LE(crc & 0xffff, 124);
  if (hasHigh) bytes.writeUInt16LE(crc >>> 16, 130);
}

/** A leaf has a tail at its end, an index block one behind the room for its entries. */
function fixDirectoryBlock(bytes: Buffer, seed: number): void {
  const end = bytes.length - 12;
  if (bytes.readUInt32LE(end) === 0 && bytes.readUInt32LE(end + 4) === 0xde00000c) {
    bytes.writeUInt32LE(crc32c(seed, bytes.subarray(0, end)), end + 8);
    return;
  }
  for (const at of [8, 32]) {
    const limit = bytes.readUInt16LE(at);
    const tail = at + limit * 8;
    if (tail + 8 !== bytes.length) continue;
    const used = bytes.subarray(0, Math.min(tail, at + bytes.readUInt16LE(at + 2) * 8));
    bytes.writeUInt32LE(
      crc32c(seed, used, bytes.subarray(tail, tail + 4), Buffer.alloc(4)),
      tail + 4,
    );
    return;
  }
}

/** Only blocks of extents have one, behind the room for them. */
function fixMapBlock(bytes: Buffer, seed: number): void {
  const tail = 12 + bytes.readUInt16LE(4) * 12;
  if (tail + 4 > bytes.length) return;
  bytes.writeUInt32LE(crc32c(seed, bytes.subarray(0, tail)), tail);
}
