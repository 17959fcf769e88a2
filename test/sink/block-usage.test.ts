import fc from "fast-check";
import { expect, test } from "vitest";
import { BlockUsage } from "../../src/sink/block-usage.ts";
import { ext4Geometry } from "../../src/sink/ext4/geometry.ts";

const GEOMETRY = ext4Geometry(300 * 2 ** 20);
/** Around the border of two groups, where bits end in the middle of bytes. */
const FIRST = 32_768 - 100;
const LENGTH = 200;

const anyRuns = fc.array(fc.tuple(fc.nat(LENGTH - 1), fc.integer({ min: 1, max: 40 })), {
  maxLength: 20,
});

test("used blocks and free runs are those of a list of blocks", () => {
  fc.assert(
    fc.property(anyRuns, (runs) => {
      const usage = new BlockUsage(GEOMETRY);
      const used = new Set<number>();
      for (const [start, wanted] of runs) {
        const blocks = Math.min(wanted, LENGTH - start);
        const own = Array.from({ length: blocks }, (_, at) => FIRST + start + at);
        if (own.some((block) => used.has(block))) continue;
        usage.mark(FIRST + start, blocks);
        for (const block of own) used.add(block);
      }
      const free = usage
        .freeRuns({ first: FIRST, blocks: LENGTH })
        .flatMap(({ first, blocks }) => Array.from({ length: blocks }, (_, at) => first + at));
      const all = Array.from({ length: LENGTH }, (_, at) => FIRST + at);
      expect(free).toEqual(all.filter((block) => !used.has(block)));
      expect(usage.usedIn(0) + usage.usedIn(1)).toBe(used.size);
    }),
  );
});

test("a free run spans groups in which nothing lies", () => {
  const usage = new BlockUsage(GEOMETRY);
  usage.mark(10, 1);
  expect(usage.bitmapOf(1)).toBeUndefined();
  expect(usage.freeRuns({ first: 9, blocks: 70_000 })).toEqual([
    { first: 9, blocks: 1 },
    { first: 11, blocks: 69_998 },
  ]);
});

test("a block with two owners is a bug that shows", () => {
  const usage = new BlockUsage(GEOMETRY);
  usage.mark(100, 10);
  expect(() => usage.mark(109, 1)).toThrow("in use already");
  expect(() => usage.mark(90, 11)).toThrow("in use already");
});
