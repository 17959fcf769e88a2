import { expect, test } from "vitest";
import {
  grownFloat64,
  grownUint16,
  grownUint32,
  grownUint8,
  nextLength,
} from "../../src/rootfs/growable.ts";

test("the next length is at least double, at least what is needed, and never tiny", () => {
  expect([nextLength(0, 1), nextLength(4096, 4097), nextLength(4096, 10_000)]).toEqual([
    1024, 8192, 10_000,
  ]);
});

test.each([
  ["bytes", (length: number) => grownUint8(new Uint8Array(0), length), grownUint8],
  ["16-bit numbers", (length: number) => grownUint16(new Uint16Array(0), length), grownUint16],
  ["32-bit numbers", (length: number) => grownUint32(new Uint32Array(0), length), grownUint32],
  ["floats", (length: number) => grownFloat64(new Float64Array(0), length), grownFloat64],
] as const)("an array of %s keeps its elements; a large one grows in place", (_, make, grow) => {
  let array = make(8);
  array.set([1, 2, 3, 4, 5, 6, 7, 8]);
  const buffers = new Set<ArrayBufferLike>([array.buffer]);
  for (let length = 16; length <= 1 << 22; length *= 2) {
    // Each `grow` belongs to the array of its row, which the compiler cannot see.
    array = Reflect.apply(grow, undefined, [array, length]);
    buffers.add(array.buffer);
    expect(array.length).toBe(length);
    expect(array[length - 1]).toBe(0);
  }
  expect([...array.subarray(0, 8)]).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
  expect(array.buffer).toBeInstanceOf(SharedArrayBuffer);
  const smallest = 8 * array.BYTES_PER_ELEMENT;
  expect(buffers.size).toBe(Math.log2((1 << 20) / smallest) + 1);
});

test("an array that outgrows its address space moves once more", () => {
  const first = grownUint8(new Uint8Array(0), 1 << 20);
  first[5] = 9;
  const last = grownUint8(first, (1 << 26) + 1);
  expect(last.buffer).not.toBe(first.buffer);
  expect(last[5]).toBe(9);
});
