import { crc32 } from "node:zlib";

/*
 * What the bytes of a disk image were when it was made: the file `checksums` in a snapshot's directory, which `verify`
 * compares with the image. Little-endian:
 *
 *     0   "rootlift sums 1\n"
 *     16  u32  bytes of a block
 *     20  u32  number of ranges
 *     24  for each range, ascending and apart from each other: u32 first block, u32 blocks (≥ 1), u32 CRC-32 (zlib's)
 *     -4  u32  CRC-32 of everything before it
 *
 * Ranges cover the bodies of files and all metadata, with the superblock. What none covers reads as zeros, as long as
 * nobody has written to the image: it was never written, or belonged to a deleted file.
 */

/** Ranges of an image, one element each; columns, because a large image has a million of them. */
export interface ImageChecksums {
  readonly blockBytes: number;
  readonly firstBlocks: Uint32Array;
  readonly blockCounts: Uint32Array;
  readonly checksums: Uint32Array;
}

const MAGIC = Buffer.from("rootlift sums 1\n");
const HEADER_BYTES = 24;
const RANGE_BYTES = 12;
const TRAILER_BYTES = 4;

export function formatImageChecksums(image: ImageChecksums): Uint8Array<ArrayBuffer> {
  const { blockBytes, firstBlocks, blockCounts, checksums } = image;
  const count = firstBlocks.length;
  const bytes = Buffer.alloc(HEADER_BYTES + count * RANGE_BYTES + TRAILER_BYTES);
  MAGIC.copy(bytes);
  bytes.writeUInt32LE(blockBytes, 16);
  bytes.writeUInt32LE(count, 20);
  for (const [column, values] of [firstBlocks, blockCounts, checksums].entries()) {
    for (const [range, value] of values.entries()) {
      bytes.writeUInt32LE(value, HEADER_BYTES + range * RANGE_BYTES + 4 * column);
    }
  }
  const end = bytes.length - TRAILER_BYTES;
  bytes.writeUInt32LE(crc32(bytes.subarray(0, end)), end);
  return bytes;
}

/** @returns undefined when the file is damaged, or of another version */
export function parseImageChecksums(file: Uint8Array): ImageChecksums | undefined {
  const bytes = Buffer.from(file.buffer, file.byteOffset, file.length);
  if (bytes.length < HEADER_BYTES + TRAILER_BYTES) return undefined;
  const end = bytes.length - TRAILER_BYTES;
  if (bytes.readUInt32LE(end) !== crc32(bytes.subarray(0, end))) return undefined;
  const count = bytes.readUInt32LE(20);
  if (!bytes.subarray(0, MAGIC.length).equals(MAGIC)) return undefined;
  if (end !== HEADER_BYTES + count * RANGE_BYTES) return undefined;
  const column = (offset: number): Uint32Array =>
    Uint32Array.from({ length: count }, (_, range) =>
      bytes.readUInt32LE(HEADER_BYTES + range * RANGE_BYTES + offset),
    );
  const image = {
    blockBytes: bytes.readUInt32LE(16),
    firstBlocks: column(0),
    blockCounts: column(4),
    checksums: column(8),
  };
  return isSound(image) ? image : undefined;
}

function isSound({ blockBytes, firstBlocks, blockCounts }: ImageChecksums): boolean {
  let free = 0;
  for (const [range, first] of firstBlocks.entries()) {
    const blocks = blockCounts[range] ?? 0;
    if (first < free || blocks < 1) return false;
    free = first + blocks;
  }
  return blockBytes > 0;
}
