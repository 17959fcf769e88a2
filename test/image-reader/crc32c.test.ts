import fc from "fast-check";
import { expect, test } from "vitest";
import { crc32c, crc32cOfNumber, crc32cOfZeros } from "../../src/image-reader/crc32c.ts";

/** Bit by bit: slow, and what the polynomial says. */
function slowCrc(crc: number, bytes: Uint8Array): number {
  let c = crc;
  for (const byte of bytes) {
    c ^= byte;
    for (let bit = 0; bit < 8; bit++) c = (c & 1) === 1 ? (c >>> 1) ^ 0x82f63b78 : c >>> 1;
  }
  return c >>> 0;
}

test("the check value of CRC-32C, inverted at the end, is that of its definition", () => {
  expect(~crc32c(0xffffffff, Buffer.from("123456789")) >>> 0).toBe(0xe3069283);
});

test("any bytes from any start give what the polynomial says, in one piece or several", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 70 }), fc.nat(70), fc.nat(), (bytes, cut, seed) => {
      const at = Math.min(cut, bytes.length);
      const whole = slowCrc(seed, bytes);
      expect(crc32c(seed, bytes)).toBe(whole);
      expect(crc32c(crc32c(seed, bytes, 0, at), bytes, at)).toBe(whole);
    }),
  );
});

test("zeros and numbers count as their bytes", () => {
  expect(crc32cOfZeros(77, 5)).toBe(slowCrc(77, new Uint8Array(5)));
  expect(crc32cOfNumber(77, 0xfedcba98)).toBe(slowCrc(77, Buffer.from("98badcfe", "hex")));
});
