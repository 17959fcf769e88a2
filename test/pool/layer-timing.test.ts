import { expect, test } from "vitest";
import { createLayerTiming } from "../../src/pool/layer-timing.ts";
import type { TimingRecord } from "../../src/timing/timing-record.ts";
import { steppedClock } from "../support/stepped-clock.ts";

test("a layer starves while its worker has none of its bytes, whatever else that does", () => {
  const time = steppedClock(10);
  const records: TimingRecord[] = [];
  const timing = createLayerTiming(2, (record) => records.push(record), time.now);
  time.pass(5);
  timing.fetched(11, 100);
  timing.given();
  time.pass(1);
  timing.fetched(15, 50);
  timing.given();
  time.pass(20);
  const spentMs = [1, 2, 3, 4, 5];
  timing.answered(1, { startMs: 20, endMs: 35, spentMs });
  timing.answered(1, undefined);
  time.pass(7);
  const figures = { receivedBytes: 150, decodedBytes: 300, entries: 4, bodyBytes: 200 };
  timing.end(figures);
  expect(records).toEqual([
    { kind: "fetch", layer: 2, startMs: 11, endMs: 15, sizeBytes: 100 },
    { kind: "fetch", layer: 2, startMs: 15, endMs: 16, sizeBytes: 50 },
    { kind: "decode", layer: 2, worker: 1, startMs: 20, endMs: 35, spentMs },
    { kind: "layer", layer: 2, startMs: 10, endMs: 43, starvedMs: 12, ...figures },
  ]);
});
