import fc from "fast-check";
import { expect, test } from "vitest";
import {
  dealRuns,
  placeOfRun,
  roomOf,
  StreamMap,
  type BlockRange,
  type StreamLayout,
} from "../../src/sink/run-plan.ts";
import { ext4Geometry, usableRanges } from "../../src/sink/ext4/geometry.ts";

const MIB = 2 ** 20;
const LAYER_BYTES = fc.array(fc.integer({ min: 0, max: 2 ** 32 }), { minLength: 1, maxLength: 12 });
const ROOM = fc
  .array(fc.record({ gap: fc.nat(5000), blocks: fc.integer({ min: 1, max: 60_000 }) }), {
    minLength: 1,
    maxLength: 8,
  })
  .map((parts) => {
    let next = 0;
    return parts.map(({ gap, blocks }): BlockRange => {
      const first = next + gap;
      next = first + blocks;
      return { first, blocks };
    });
  });

function extentsOf(layout: StreamLayout, first?: number, count?: number): readonly BlockRange[] {
  const map = new StreamMap(layout);
  const extents: BlockRange[] = [];
  const start = first ?? 0;
  map.extents(start, count ?? map.capacityBlocks - start, (block, blocks) =>
    extents.push({ first: block, blocks }),
  );
  return extents;
}

function layoutsOf(room: readonly BlockRange[], layerBytes: readonly number[]): StreamLayout[] {
  const deal = dealRuns(room, layerBytes);
  if (deal === undefined) return [];
  return layerBytes.map((_, layer) => ({ room: roomOf(room), deal: { ...deal, layer } }));
}

test("no two layers get the same block, and none gets one outside of the room", () => {
  fc.assert(
    fc.property(ROOM, LAYER_BYTES, (room, layerBytes) => {
      const all = layoutsOf(room, layerBytes)
        .flatMap((layout) => extentsOf(layout))
        .toSorted((a, b) => a.first - b.first);
      let free = 0;
      for (const { first, blocks } of all) {
        expect(blocks).toBeGreaterThan(0);
        expect(first).toBeGreaterThanOrEqual(free);
        free = first + blocks;
        expect(room.some((it) => it.first <= first && free <= it.first + it.blocks)).toBe(true);
      }
    }),
  );
});

test("all of the room is dealt, but for less than one run", () => {
  fc.assert(
    fc.property(ROOM, LAYER_BYTES, (room, layerBytes) => {
      const layouts = layoutsOf(room, layerBytes);
      fc.pre(layouts.length > 0);
      const dealt = layouts.reduce((sum, it) => sum + new StreamMap(it).capacityBlocks, 0);
      const blocks = room.reduce((sum, range) => sum + range.blocks, 0);
      const runBlocks = layouts[0]?.deal?.runBlocks ?? 0;
      expect(blocks - dealt).toBeGreaterThanOrEqual(0);
      expect(blocks - dealt).toBeLessThan(runBlocks);
    }),
  );
});

test("the runs of all layers are counted through without a gap", () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 1, max: 2 ** 16 }), { minLength: 1, maxLength: 6 }),
      (list) => {
        const weights = Uint32Array.from(list);
        const places = list.flatMap((weight, layer) => {
          const runs = Math.floor((200 * weight) / Math.max(...list));
          return Array.from({ length: runs }, (_, run) => placeOfRun(weights, layer, run));
        });
        const sorted = places.toSorted((a, b) => a - b);
        expect(new Set(places).size).toBe(places.length);
        // Up to the last run that the heaviest layer was asked for, every place is taken by somebody.
        const complete = sorted.slice(0, Math.floor(sorted.length / 2));
        expect(complete).toEqual(complete.map((_, place) => place));
      },
    ),
  );
});

test("a block's place does not depend on what was asked for before", () => {
  fc.assert(
    fc.property(ROOM, LAYER_BYTES, fc.nat(), fc.nat(3000), (room, layerBytes, start, count) => {
      for (const layout of layoutsOf(room, layerBytes)) {
        const { capacityBlocks } = new StreamMap(layout);
        if (capacityBlocks === 0) continue;
        const first = start % capacityBlocks;
        const blocks = Math.min(count, capacityBlocks - first);
        const one = extentsOf(layout, first, blocks).flatMap(blocksOf);
        const all = extentsOf(layout, 0, first + blocks).flatMap(blocksOf);
        expect(one).toEqual(all.slice(first));
      }
    }),
    { numRuns: 40 },
  );
});

function blocksOf({ first, blocks }: BlockRange): number[] {
  return Array.from({ length: blocks }, (_, offset) => first + offset);
}

test("a stream that is not dealt takes its room from the beginning", () => {
  const room = roomOf([
    { first: 10, blocks: 5 },
    { first: 100, blocks: 20 },
  ]);
  expect(extentsOf({ room }, 3, 10)).toEqual([
    { first: 13, blocks: 2 },
    { first: 100, blocks: 8 },
  ]);
  expect(new StreamMap({ room }).capacityBlocks).toBe(25);
  expect(() => extentsOf({ room }, 20, 6)).toThrow(/block 26 of a stream has no place/);
  expect(extentsOf({ room: roomOf([]) })).toEqual([]);
});

test("a room without some runs for each layer is not dealt", () => {
  expect(dealRuns([{ first: 0, blocks: 64 * 16 * 3 }], [1, 1, 1])).toBeDefined();
  expect(dealRuns([{ first: 0, blocks: 64 * 16 * 3 - 1 }], [1, 1, 1])).toBeUndefined();
});

/** What fraction of the blocks up to the last used one is not used, when layers unpack to so many times their size. */
function waste(
  diskMib: number,
  layers: readonly (readonly [mib: number, times: number])[],
): number {
  const room = usableRanges(ext4Geometry(diskMib * MIB));
  const layouts = layoutsOf(
    room,
    layers.map(([mib]) => mib * MIB),
  );
  let end = 0;
  let used = 0;
  for (const [layer, layout] of layouts.entries()) {
    const [mib, times] = layers[layer] ?? [0, 0];
    const blocks = Math.ceil(mib * times * 256);
    used += blocks;
    for (const extent of extentsOf(layout, blocks - 1, 1)) end = Math.max(end, extent.first);
  }
  return 1 - used / end;
}

test("the layers of ordinary images lie dense: at most half of the room up to the last block is free", () => {
  // lab/app:2, python:3.12, node with modules, a machine-learning image: MiB compressed, and how far they unpack.
  expect(
    waste(10_240, [
      [60, 2.6],
      [340, 2.9],
      [150, 2.4],
      [40, 2.7],
    ]),
  ).toBeLessThan(0.25);
  expect(
    waste(10_240, [
      [47, 2.7],
      [23, 2.8],
      [61, 2.9],
      [202, 2.9],
      [6, 3],
      [20, 2.9],
      [0.001, 4],
    ]),
  ).toBeLessThan(0.25);
  expect(
    waste(10_240, [
      [75, 2.5],
      [46, 3],
      [120, 5.5],
      [0.01, 2],
      [0.5, 3],
    ]),
  ).toBeLessThan(0.5);
  expect(
    waste(40_960, [
      [28, 2.8],
      [3000, 2.2],
      [0.1, 3],
    ]),
  ).toBeLessThan(0.25);
});
