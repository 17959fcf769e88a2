/**
 * CRC-32C (Castagnoli) as ext4's `metadata_csum` takes it: raw, so neither the start value nor the result is inverted
 * (`fs/ext4/ext4.h`, `ext4_chksum`). Node's `zlib.crc32` has another polynomial. The readers have
 * their own on purpose: what checks an image must not be wrong together with what wrote it.
 */

const POLYNOMIAL = 0x82f6_3b78;
/** What a checksum without a seed of its own starts with. */
export const CRC_START = 0xffff_ffff;

/** Eight tables of 256, one after the other: eight bytes a step ("slicing by 8", Kounavis and Berry). */
const TABLES = makeTables();

function makeTables(): Uint32Array {
  const tables = new Uint32Array(8 * 256);
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc & 1) === 0 ? crc >>> 1 : (crc >>> 1) ^ POLYNOMIAL;
    tables[byte] = crc;
  }
  for (let at = 256; at < tables.length; at++) {
    const crc = tables[at - 256]!;
    tables[at] = (crc >>> 8) ^ tables[crc & 255]!;
  }
  return tables;
}

/** The checksum of `bytes[start, end)`, begun with `crc`. */
export function crc32c(
  crc: number,
  bytes: Uint8Array,
  start = 0,
  end: number = bytes.length,
): number {
  let value = crc | 0;
  let at = start;
  for (const whole = end - 7; at < whole; at += 8) {
    value ^= bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
    value =
      TABLES[1792 + (value & 255)]! ^
      TABLES[1536 + ((value >>> 8) & 255)]! ^
      TABLES[1280 + ((value >>> 16) & 255)]! ^
      TABLES[1024 + (value >>> 24)]! ^
      TABLES[768 + bytes[at + 4]!]! ^
      TABLES[512 + bytes[at + 5]!]! ^
      TABLES[256 + bytes[at + 6]!]! ^
      TABLES[bytes[at + 7]!]!;
  }
  for (; at < end; at++) value = (value >>> 8) ^ TABLES[(value ^ bytes[at]!) & 255]!;
  return value >>> 0;
}

/** Tables for 2^0, 2^1 … 2^12 zero bytes, 4 × 256 each: a run of zeros maps the 32 bits of a checksum linearly. */
const ZERO_TABLE = 4 * 256;
const ZERO_TABLES = makeZeroTables();

function makeZeroTables(): readonly Uint32Array[] {
  const first = new Uint32Array(ZERO_TABLE);
  for (let byte = 0; byte < 256; byte++) {
    first[byte] = TABLES[byte]!;
    for (let place = 1; place < 4; place++) first[256 * place + byte] = byte << (8 * place - 8);
  }
  const tables = [first];
  for (let power = 1; power <= 12; power++) {
    const half = tables[power - 1]!;
    tables.push(half.map((crc) => throughZeros(half, crc)));
  }
  return tables;
}

function throughZeros(table: Uint32Array, crc: number): number {
  return (
    table[crc & 255]! ^
    table[256 + ((crc >>> 8) & 255)]! ^
    table[512 + ((crc >>> 16) & 255)]! ^
    table[768 + (crc >>> 24)]!
  );
}

/**
 * The checksum of so many zero bytes, without looking at them: most of an inode and of a small directory's block is zeros.
 * @param count less than 8,192
 */
export function crc32cOfZeros(crc: number, count: number): number {
  let value = crc;
  for (let power = 0, left = count; left > 0; power++, left >>>= 1) {
    if ((left & 1) !== 0) value = throughZeros(ZERO_TABLES[power]!, value);
  }
  return value >>> 0;
}

/** The checksum of a number as four little-endian bytes. */
export function crc32cOfUint32(crc: number, number: number): number {
  const value = (crc ^ number) | 0;
  const mixed =
    TABLES[768 + (value & 255)]! ^
    TABLES[512 + ((value >>> 8) & 255)]! ^
    TABLES[256 + ((value >>> 16) & 255)]! ^
    TABLES[value >>> 24]!;
  return mixed >>> 0;
}

/** The seed of all checksums of one file system: over its UUID (`s_csum_seed`). */
export function checksumSeed(uuid: Uint8Array): number {
  return crc32c(CRC_START, uuid);
}

/** The seed of an inode's own checksums: over its number and its generation, which is always 0 here. */
export function inodeChecksumSeed(seed: number, inode: number): number {
  return crc32cOfUint32(crc32cOfUint32(seed, inode), 0);
}
