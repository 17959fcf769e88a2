import fc from "fast-check";
import { expect, test } from "vitest";
import { BlockUsage } from "../../../src/sink/block-usage.ts";
import { freeRuns, movedBodies, planMoves } from "../../../src/sink/erofs/plan-moves.ts";

/** Below this, a gap is not worth a piece. */
const SMALL = 16;

interface Run {
  readonly used: number;
  readonly free: number;
}

const anyRuns = fc.array(
  fc.record({
    used: fc.oneof(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 1500 })),
    free: fc.oneof(fc.nat(SMALL + 4), fc.nat(1200)),
  }),
  { maxLength: 30 },
);

/** From block 1 on, used and free blocks in turn. */
function layOut(runs: readonly Run[]) {
  const usage = new BlockUsage({ groups: 3 });
  const used: number[] = [];
  let at = 1;
  for (const { used: count, free } of runs) {
    usage.mark(at, count);
    for (let block = at; block < at + count; block++) used.push(block);
    at += count + free;
  }
  return { usage, used, end: at };
}

test("after the moves all bodies lie in order in front, with no gap that is worth filling", () => {
  fc.assert(
    fc.property(anyRuns, (runs) => {
      const { usage, used, end } = layOut(runs);
      const moves = planMoves(usage, end);
      const gaps = [...freeRuns(usage, 1, end)];
      const targets: number[] = [];
      const sources: number[] = [];
      for (const [at, first] of moves.from.entries()) {
        const count = moves.blocks[at] ?? 0;
        for (let block = 0; block < count; block++) {
          sources.push(first + block);
          targets.push((moves.to[at] ?? 0) + block);
        }
      }
      // All that lies behind the new end moves, and nothing else.
      expect(sources).toEqual(used.filter((block) => block >= moves.end));
      // Each to a free block of its own before the end, in the order in which they lay.
      const taken = new Set(used);
      expect(targets.filter((block) => taken.has(block) || block >= moves.end)).toEqual([]);
      expect(targets).toEqual([...new Set(targets)].toSorted((a, b) => a - b));
      // What stays free is small gaps, and no more than they hide.
      const small = gaps.reduce((sum, { blocks }) => sum + (blocks < SMALL ? blocks : 0), 0);
      expect(moves.end - 1 - used.length).toBeLessThanOrEqual(small);
    }),
    { numRuns: 120 },
  );
});

test("bodies are found where their blocks went", () => {
  const start = fc.integer({ min: 0, max: 5000 });
  fc.assert(
    fc.property(anyRuns, start, fc.integer({ min: 1, max: 3000 }), (runs, from, length) => {
      const { usage, used, end } = layOut(runs);
      const moves = planMoves(usage, end);
      const whereTo = new Map<number, number>();
      for (const [at, first] of moves.from.entries()) {
        for (let block = 0; block < (moves.blocks[at] ?? 0); block++) {
          whereTo.set(first + block, (moves.to[at] ?? 0) + block);
        }
      }
      const body = used.slice(from % Math.max(1, used.length)).slice(0, length);
      const extents = body.map((physicalBlock, logicalBlock) => ({
        logicalBlock: logicalBlock + 7,
        physicalBlock,
        blocks: 1,
      }));
      const joined: { logicalBlock: number; physicalBlock: number; blocks: number }[] = [];
      for (const extent of extents) {
        const last = joined.at(-1);
        if (last !== undefined && last.physicalBlock + last.blocks === extent.physicalBlock) {
          last.blocks++;
        } else joined.push({ ...extent });
      }
      const moved = movedBodies({ extentsOf: () => joined }, moves).extentsOf(0, 0);
      const found = moved.flatMap(({ logicalBlock, physicalBlock, blocks }) =>
        Array.from({ length: blocks }, (_, at) => [logicalBlock + at, physicalBlock + at]),
      );
      expect(found).toEqual(body.map((block, at) => [at + 7, whereTo.get(block) ?? block]));
    }),
    { numRuns: 60 },
  );
});

test("a dense image stays as it is", () => {
  const { usage, end } = layOut([{ used: 5000, free: 0 }]);
  expect(planMoves(usage, end)).toMatchObject({ end, from: new Uint32Array(0) });
  expect(planMoves(new BlockUsage({ groups: 1 }), 1)).toMatchObject({ end: 1 });
});

test("free runs over the border of a window are one", () => {
  const usage = new BlockUsage({ groups: 200 });
  usage.mark(1, 10);
  usage.mark(3_000_000, 5);
  expect([...freeRuns(usage, 1, 3_000_010)]).toEqual([
    { first: 11, blocks: 2_999_989 },
    { first: 3_000_005, blocks: 5 },
  ]);
});
