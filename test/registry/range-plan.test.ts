import fc from "fast-check";
import { expect, test } from "vitest";
import type { RangePlan, RangeSample, Region } from "../../src/registry/range-plan.ts";
import {
  chunkBytes,
  DEFAULT_RANGES,
  isLate,
  nextRegion,
  ONE_CONNECTION,
  planConnections,
} from "../../src/registry/range-plan.ts";

const MIB = 2 ** 20;

interface Interval {
  readonly bytesPerSecond: number;
  /** 0 … 1 */
  readonly idleShare: number;
  /** Default: as many as are planned. */
  readonly connections?: number;
  readonly leftBytes?: number;
}

/** The plan after each half second in which the layer was received so, the consumer idling so much. */
function plansOver(...intervals: readonly Interval[]): readonly RangePlan[] {
  let plan = ONE_CONNECTION;
  let at: RangeSample = {
    atMs: 1000,
    receivedBytes: 1,
    idleMs: 700,
    connections: 1,
    leftBytes: 1e9,
  };
  plan = planConnections(plan, at, DEFAULT_RANGES);
  return intervals.map(({ bytesPerSecond, idleShare, connections, leftBytes = 1e9 }) => {
    for (let step = 0; step < 10; step += 1) {
      at = {
        atMs: at.atMs + 50,
        receivedBytes: at.receivedBytes + bytesPerSecond / 20,
        idleMs: at.idleMs + 50 * idleShare,
        connections: connections ?? plan.connections,
        leftBytes,
      };
      plan = planConnections(plan, at, DEFAULT_RANGES);
    }
    return plan;
  });
}

function connectionsOver(...intervals: readonly Interval[]): readonly number[] {
  return plansOver(...intervals).map(({ connections }) => connections);
}

const SLOW = { bytesPerSecond: 20e6, idleShare: 0.9 };

test("a consumer that idles gets as many connections as would keep it busy", () => {
  expect(connectionsOver(SLOW)).toEqual([8]);
  expect(connectionsOver({ bytesPerSecond: 60e6, idleShare: 0.6 })).toEqual([3]);
  expect(connectionsOver({ bytesPerSecond: 80e6, idleShare: 0.5 })).toEqual([2]);
});

test("no connection is opened for a consumer that is busy, nor beside one that is as fast as it", () => {
  expect(connectionsOver({ bytesPerSecond: 20e6, idleShare: 0.45 })).toEqual([1]);
  expect(connectionsOver({ bytesPerSecond: 20e6, idleShare: 0 })).toEqual([1]);
  expect(connectionsOver({ bytesPerSecond: 150e6, idleShare: 0.9 })).toEqual([1]);
});

test("nothing is decided before the first byte, nor on less than a quarter of a second or half a MiB", () => {
  const sample = { atMs: 0, receivedBytes: 0, idleMs: 0, connections: 1, leftBytes: 1e9 };
  const early = planConnections(ONE_CONNECTION, sample, DEFAULT_RANGES);
  expect(early).toBe(ONE_CONNECTION);
  const begun = planConnections(early, { ...sample, receivedBytes: 1 }, DEFAULT_RANGES);
  const late = { ...sample, atMs: 240, idleMs: 240, receivedBytes: MIB };
  expect(planConnections(begun, late, DEFAULT_RANGES).connections).toBe(1);
  const few = { ...sample, atMs: 400, idleMs: 400, receivedBytes: MIB / 4 };
  expect(planConnections(begun, few, DEFAULT_RANGES).connections).toBe(1);
  const enough = { ...sample, atMs: 400, idleMs: 400, receivedBytes: MIB };
  expect(planConnections(begun, enough, DEFAULT_RANGES).connections).toBe(8);
});

test("near its end a layer gets no more", () => {
  expect(connectionsOver({ ...SLOW, leftBytes: 3 * MIB })).toEqual([1]);
});

test("when more connections bring nothing, the layer goes back to what it had, for good", () => {
  const plans = plansOver(SLOW, SLOW, SLOW, SLOW);
  expect(plans.map(({ connections }) => connections)).toEqual([8, 8, 8, 1]);
  expect(plans.at(-1)?.settled).toBe(true);
});

test("when the line is full with fewer connections, the layer keeps about as many", () => {
  const full = { bytesPerSecond: 50e6, idleShare: 0.7 };
  expect(connectionsOver(SLOW, full, full, full, full)).toEqual([8, 8, 8, 5, 5]);
});

test("when more connections are worth it, they stay", () => {
  const fast = { bytesPerSecond: 150e6, idleShare: 0.1 };
  expect(connectionsOver(SLOW, fast, fast, fast, fast)).toEqual([8, 8, 8, 8, 8]);
  const stillIdle = { bytesPerSecond: 150e6, idleShare: 0.6 };
  expect(connectionsOver(SLOW, stillIdle, stillIdle, stillIdle, stillIdle)).toEqual([
    8, 8, 8, 8, 8,
  ]);
});

test("what could not be opened is not judged", () => {
  const alone = { ...SLOW, connections: 1 };
  expect(connectionsOver(SLOW, alone, alone, alone)).toEqual([8, 8, 8, 8]);
});

test("whatever the samples, the plan stays between one connection and the most", () => {
  const interval = fc.record({
    bytesPerSecond: fc.integer({ min: 0, max: 1e9 }),
    idleShare: fc.double({ min: 0, max: 1, noNaN: true }),
    connections: fc.integer({ min: 0, max: 9 }),
    leftBytes: fc.integer({ min: 0, max: 1e9 }),
  });
  fc.assert(
    fc.property(fc.array(interval, { maxLength: 10 }), (intervals) => {
      for (const connections of connectionsOver(...intervals)) {
        expect(connections).toBeGreaterThanOrEqual(1);
        expect(connections).toBeLessThanOrEqual(DEFAULT_RANGES.mostConnections);
      }
    }),
  );
});

test("chunks are of the full size, and smaller where the rest is spread over the connections", () => {
  expect(chunkBytes(200 * MIB, 8, DEFAULT_RANGES)).toBe(4 * MIB);
  expect(chunkBytes(16 * MIB, 8, DEFAULT_RANGES)).toBe(2 * MIB);
  expect(chunkBytes(4 * MIB, 8, DEFAULT_RANGES)).toBe(MIB);
  expect(chunkBytes(1.5 * MIB, 8, DEFAULT_RANGES)).toBe(1.5 * MIB);
});

test("the next region is the first gap that is worth a request", () => {
  const taken: readonly Region[] = [
    { startByte: 10 * MIB, endByte: 18 * MIB },
    { startByte: 18.5 * MIB, endByte: 27 * MIB },
    { startByte: 30 * MIB, endByte: 38 * MIB },
  ];
  const facts = { taken, fromByte: 10 * MIB, sizeBytes: 400 * MIB, connections: 8 };
  // A gap of half a MiB is left out, one of three is filled.
  expect(nextRegion(facts, DEFAULT_RANGES)).toEqual({ startByte: 27 * MIB, endByte: 30 * MIB });
  expect(nextRegion({ ...facts, fromByte: 31 * MIB }, DEFAULT_RANGES)).toEqual({
    startByte: 38 * MIB,
    endByte: 42 * MIB,
  });
  const end = { ...facts, fromByte: 38 * MIB, sizeBytes: 38 * MIB };
  expect(nextRegion(end, DEFAULT_RANGES)).toBeUndefined();
  // What is less than the least, because the blob ends, is asked for all the same.
  expect(nextRegion({ ...end, sizeBytes: 38 * MIB + 5 }, DEFAULT_RANGES)).toEqual({
    startByte: 38 * MIB,
    endByte: 38 * MIB + 5,
  });
});

test("regions never overlap, never leave the blob, and are taken until no gap is worth one", () => {
  const settings = { ...DEFAULT_RANGES, chunkBytes: 80, minChunkBytes: 20 };
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 2000 }),
      fc.integer({ min: 0, max: 2000 }),
      fc.integer({ min: 1, max: 8 }),
      fc.array(fc.nat(30), { maxLength: 10 }),
      (sizeBytes, fromByte, connections, lost) => {
        let taken: readonly Region[] = [];
        for (let round = 0; round < 200; round += 1) {
          const region = nextRegion({ taken, fromByte, sizeBytes, connections }, settings);
          if (region === undefined) break;
          expect(region.startByte).toBeGreaterThanOrEqual(fromByte);
          expect(region.endByte).toBeLessThanOrEqual(sizeBytes);
          expect(region.endByte).toBeGreaterThan(region.startByte);
          expect(region.endByte - region.startByte).toBeLessThanOrEqual(80);
          taken = [...taken, region].toSorted((a, b) => a.startByte - b.startByte);
          for (const [at, { startByte }] of taken.entries()) {
            expect(startByte).toBeGreaterThanOrEqual(taken[at - 1]?.endByte ?? 0);
          }
          // A request that failed leaves a gap.
          const failed = lost[round];
          if (failed !== undefined) taken = taken.filter((_, at) => at !== failed);
        }
        const covered = taken.reduce((sum, { startByte, endByte }) => sum + endByte - startByte, 0);
        const gaps = (taken.length + 1) * settings.minChunkBytes;
        expect(covered).toBeGreaterThanOrEqual(Math.max(0, sizeBytes - fromByte) - gaps);
      },
    ),
  );
});

test("a chunk is late when it takes three times the median, and more than a moment", () => {
  expect(isLate(60_000, [], DEFAULT_RANGES)).toBe(false);
  expect(isLate(1100, [400, 300, 410], DEFAULT_RANGES)).toBe(false);
  expect(isLate(1300, [400, 300, 410], DEFAULT_RANGES)).toBe(true);
  expect(isLate(200, [10, 10, 10], DEFAULT_RANGES)).toBe(false);
});
