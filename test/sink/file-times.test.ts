import fc from "fast-check";
import { expect, test } from "vitest";
import { createTimes, setMoment } from "../../src/sink/file-times.ts";

/** As the kernel reads it: four 64-bit words, seconds and nanoseconds of access and modification. */
function wordsOf(seconds: number, nanoseconds: number): bigint[] {
  const times = setMoment(createTimes(), seconds, nanoseconds);
  const view = new DataView(times.buffer);
  return [0, 8, 16, 24].map((offset) => view.getBigInt64(offset, true));
}

test("any second that a number counts, before 1970 too, is written with its nanoseconds", () => {
  fc.assert(
    fc.property(fc.maxSafeInteger(), fc.nat(999_999_999), (seconds, nanoseconds) => {
      const moment = [BigInt(seconds), BigInt(nanoseconds)];
      expect(wordsOf(seconds, nanoseconds)).toEqual([...moment, ...moment]);
    }),
  );
});

test.each([
  [-1, -1n],
  [-(2 ** 31) - 1, -(2n ** 31n) - 1n],
  [2 ** 31, 2n ** 31n],
  [2 ** 32, 2n ** 32n],
  [2 ** 60, 2n ** 60n],
  [2 ** 80, 2n ** 62n],
  [-(2 ** 80), -(2n ** 62n)],
])("%d seconds", (seconds, expected) => {
  expect(wordsOf(seconds, 5)).toEqual([expected, 5n, expected, 5n]);
});
