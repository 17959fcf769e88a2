/**
 * CRC-32C as ext4 and EROFS use it: the Castagnoli polynomial, reflected, without inversion of the start value or of the result
 * (kernel: `ext4_chksum`; e2fsprogs: `ext2fs_crc32c_le`). Not `zlib.crc32`, which is another polynomial.
 * Written for the readers alone, on purpose: a mistake of the writer's must not check itself.
 */
const POLYNOMIAL = 0x82f63b78;
/** Eight tables of 256: eight bytes a step ("slicing by 8"). */
const TABLES = makeTables();

/** @param crc the checksum so far: 0xFFFFFFFF, or a seed @returns 0 … 2^32-1 */
export function crc32c(
  crc: number,
  bytes: Uint8Array,
  start = 0,
  end: number = bytes.length,
): number {
  const t = TABLES;
  let c = crc | 0;
  let at = start;
  for (const whole = end - ((end - start) & 7); at < whole; at += 8) {
    c ^= bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
    c =
      t[1792 + (c & 255)]! ^
      t[1536 + ((c >>> 8) & 255)]! ^
      t[1280 + ((c >>> 16) & 255)]! ^
      t[1024 + (c >>> 24)]! ^
      t[768 + bytes[at + 4]!]! ^
      t[512 + bytes[at + 5]!]! ^
      t[256 + bytes[at + 6]!]! ^
      t[bytes[at + 7]!]!;
  }
  for (; at < end; at++) c = t[(c ^ bytes[at]!) & 255]! ^ (c >>> 8);
  return c >>> 0;
}

/** The checksum goes on over a 32-bit number. */
export function crc32cOfNumber(crc: number, value: number): number {
  let c = crc | 0;
  for (let shift = 0; shift < 32; shift += 8) {
    c = TABLES[(c ^ (value >>> shift)) & 255]! ^ (c >>> 8);
  }
  return c >>> 0;
}

/** The checksum goes on over `count` zeros, which stand for a checksum's own field. */
export function crc32cOfZeros(crc: number, count: number): number {
  let c = crc | 0;
  for (let n = 0; n < count; n++) c = TABLES[c & 255]! ^ (c >>> 8);
  return c >>> 0;
}

function makeTables(): Int32Array {
  const tables = new Int32Array(8 * 256);
  for (let byte = 0; byte < 256; byte++) {
    let c = byte;
    for (let bit = 0; bit < 8; bit++) c = (c & 1) === 1 ? (c >>> 1) ^ POLYNOMIAL : c >>> 1;
    tables[byte] = c;
  }
  for (let at = 256; at < tables.length; at++) {
    const before = tables[at - 256]!;
    tables[at] = tables[before & 255]! ^ (before >>> 8);
  }
  return tables;
}
