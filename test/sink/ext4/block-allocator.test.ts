import fc from "fast-check";
import { expect, test } from "vitest";
import { ImportError } from "../../../src/errors.ts";
import { BlockAllocator } from "../../../src/sink/ext4/block-allocator.ts";
import { BlockUsage } from "../../../src/sink/block-usage.ts";
import { ext4Geometry } from "../../../src/sink/ext4/geometry.ts";
import { importErrorOf, outcomeOf } from "../../support/import-error.ts";

const GEOMETRY = ext4Geometry(4 * 2 ** 20);
const full = (): ImportError => new ImportError("ERR_DISK_TOO_SMALL", "full");

test("blocks come in the order of the ranges, and a piece may span them", () => {
  const usage = new BlockUsage(GEOMETRY);
  const ranges = [
    { first: 500, blocks: 3 },
    { first: 200, blocks: 5 },
  ];
  const allocator = new BlockAllocator(usage, ranges, full);
  expect(allocator.takeOne()).toBe(500);
  expect(allocator.takeContiguous(4)).toBe(200);
  expect(allocator.take(3)).toEqual([
    { first: 501, blocks: 2 },
    { first: 204, blocks: 1 },
  ]);
  expect(allocator.take(0)).toEqual([]);
  expect(usage.usedIn(0)).toBe(8);
  for (const take of [
    () => allocator.takeOne(),
    () => allocator.take(1),
    () => allocator.takeContiguous(1),
  ]) {
    expect(importErrorOf(take).code).toBe("ERR_DISK_TOO_SMALL");
  }
});

test("whatever is asked for, no block is dealt twice, none is lost, and what fits is dealt", () => {
  const anyRanges = fc.array(fc.nat({ max: 9 }), { minLength: 1, maxLength: 8 });
  const anyRequests = fc.array(
    fc.record({ blocks: fc.integer({ min: 1, max: 8 }), inOne: fc.boolean() }),
    { maxLength: 12 },
  );
  fc.assert(
    fc.property(anyRanges, anyRequests, (lengths, requests) => {
      const ranges = lengths.map((blocks, at) => ({ first: 100 + 10 * at, blocks }));
      const usage = new BlockUsage(GEOMETRY);
      const allocator = new BlockAllocator(usage, ranges, full);
      for (const { blocks, inOne } of requests) {
        // `mark` of the usage throws for a block that is dealt twice.
        const free = ranges.flatMap((range) => usage.freeRuns(range));
        const fits = inOne
          ? free.some((run) => run.blocks >= blocks)
          : free.reduce((sum, run) => sum + run.blocks, 0) >= blocks;
        const take = (): unknown =>
          inOne ? allocator.takeContiguous(blocks) : allocator.take(blocks);
        const outcome = outcomeOf(take);
        expect(outcome).toBe(fits ? "ok" : "ERR_DISK_TOO_SMALL");
        if (outcome !== "ok") return;
      }
    }),
    { numRuns: 500 },
  );
});
