import fc from "fast-check";
import { expect, test } from "vitest";
import {
  checksumSeed,
  CRC_START,
  crc32c,
  crc32cOfUint32,
  crc32cOfZeros,
  inodeChecksumSeed,
} from "../../src/sink/crc32c.ts";
import { TEST_IDENTITY } from "../support/ext4-image.ts";

/** Bit by bit, from the definition. */
function slowCrc(crc: number, bytes: Uint8Array): number {
  let value = crc;
  for (const byte of bytes) {
    value ^= byte;
    for (let bit = 0; bit < 8; bit++) {
      value = (value & 1) === 0 ? value >>> 1 : (value >>> 1) ^ 0x82f6_3b78;
    }
  }
  return value >>> 0;
}

const anyCrc = fc.nat({ max: 0xffff_ffff });

test("the check value of CRC-32C", () => {
  expect(~crc32c(CRC_START, Buffer.from("123456789")) >>> 0).toBe(0xe306_9283);
});

test("the seeds of a file system and of an inode", () => {
  const seed = checksumSeed(TEST_IDENTITY.uuid);
  expect(seed).toBe(0x47f5_ddf6);
  expect(inodeChecksumSeed(seed, 12)).toBe(0x726e_da87);
});

test("any part of any bytes has the checksum of the definition", () => {
  fc.assert(
    fc.property(anyCrc, fc.uint8Array({ maxLength: 100 }), fc.nat(50), fc.nat(50), (...it) => {
      const [crc, bytes, start, length] = it;
      const end = Math.min(bytes.length, start + length);
      expect(crc32c(crc, bytes, start, end)).toBe(slowCrc(crc, bytes.subarray(start, end)));
    }),
  );
});

test("zeros that are not looked at count like zeros", () => {
  fc.assert(
    fc.property(anyCrc, fc.nat({ max: 8191 }), (crc, count) => {
      expect(crc32cOfZeros(crc, count)).toBe(slowCrc(crc, new Uint8Array(count)));
    }),
    { numRuns: 30 },
  );
});

test("a number counts as its four little-endian bytes", () => {
  fc.assert(
    fc.property(anyCrc, anyCrc, (crc, number) => {
      const bytes = Buffer.alloc(4);
      bytes.writeUInt32LE(number);
      expect(crc32cOfUint32(crc, number)).toBe(slowCrc(crc, bytes));
    }),
  );
});
