import fc from "fast-check";
import { expect, test } from "vitest";
import { formatImageChecksums, parseImageChecksums } from "../../src/store/image-checksums.ts";

const RANGES = fc.array(
  fc.record({
    gap: fc.nat(1000),
    blocks: fc.integer({ min: 1, max: 256 }),
    checksum: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
  }),
  { maxLength: 50 },
);

function imageOf(ranges: readonly { gap: number; blocks: number; checksum: number }[]) {
  let next = 0;
  const firstBlocks = ranges.map(({ gap, blocks }) => {
    const first = next + gap;
    next = first + blocks;
    return first;
  });
  return {
    blockBytes: 4096,
    firstBlocks: Uint32Array.from(firstBlocks),
    blockCounts: Uint32Array.from(ranges, ({ blocks }) => blocks),
    checksums: Uint32Array.from(ranges, ({ checksum }) => checksum),
  };
}

test("the checksums of an image come back from their file", () => {
  fc.assert(
    fc.property(RANGES, (ranges) => {
      const image = imageOf(ranges);
      expect(parseImageChecksums(formatImageChecksums(image))).toEqual(image);
    }),
  );
});

test("a file of checksums with one bit changed, or cut short, is not believed", () => {
  fc.assert(
    fc.property(RANGES, fc.nat(), fc.nat(7), (ranges, position, bit) => {
      const bytes = formatImageChecksums(imageOf(ranges));
      const at = position % bytes.length;
      expect(parseImageChecksums(bytes.subarray(0, at))).toBeUndefined();
      bytes.set([(bytes.at(at) ?? 0) ^ (1 << bit)], at);
      expect(parseImageChecksums(bytes)).toBeUndefined();
    }),
  );
});

function parsed(firstBlocks: number[], blockCounts: number[]) {
  const image = {
    blockBytes: 4096,
    firstBlocks: Uint32Array.from(firstBlocks),
    blockCounts: Uint32Array.from(blockCounts),
    checksums: new Uint32Array(firstBlocks.length),
  };
  return parseImageChecksums(formatImageChecksums(image));
}

test("ranges that overlap or are empty are not believed", () => {
  expect(parsed([1, 3], [2, 1])).toBeDefined();
  expect(parsed([1, 2], [2, 1])).toBeUndefined();
  expect(parsed([3, 1], [1, 1])).toBeUndefined();
  expect(parsed([1], [0])).toBeUndefined();
});
