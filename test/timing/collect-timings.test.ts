import { expect, test } from "vitest";
import { collectTimings } from "../../src/timing/collect-timings.ts";
import type { TimingRecord } from "../../src/timing/timing-record.ts";
import { steppedClock } from "../support/stepped-clock.ts";

const LAYERS = [
  { digest: "sha256:aa", sizeBytes: 1000 },
  { digest: "sha256:bb", sizeBytes: 100 },
];

/** Two layers by one worker: the second waits for the first. */
const RECORDS: readonly TimingRecord[] = [
  { kind: "phase", phase: "resolve", startMs: 0, endMs: 5 },
  { kind: "image", reference: "app:1", layers: LAYERS },
  { kind: "fetch", layer: 1, startMs: 12, endMs: 14, sizeBytes: 100 },
  { kind: "fetch", layer: 0, startMs: 12, endMs: 20, sizeBytes: 1000 },
  { kind: "decode", layer: 0, worker: 0, startMs: 20, endMs: 60, spentMs: [4, 20, 6, 2, 8] },
  {
    kind: "layer",
    layer: 0,
    startMs: 10,
    endMs: 60,
    starvedMs: 10,
    receivedBytes: 1000,
    decodedBytes: 4000,
    entries: 7,
    bodyBytes: 3000,
  },
  { kind: "decode", layer: 1, worker: 0, startMs: 60, endMs: 70, spentMs: [1, 5, 2, 1, 1] },
  {
    kind: "layer",
    layer: 1,
    startMs: 10,
    endMs: 70,
    starvedMs: 4,
    receivedBytes: 100,
    decodedBytes: 200,
    entries: 2,
    bodyBytes: 150,
  },
  { kind: "merge", startMs: 70, endMs: 73 },
  { kind: "phase", phase: "pull", startMs: 8, endMs: 74 },
  { kind: "task", worker: 0, startMs: 75, endMs: 80, syncMs: 0 },
  { kind: "task", worker: 0, startMs: 80, endMs: 100, syncMs: 15 },
  { kind: "phase", phase: "seal", startMs: 74, endMs: 101 },
  { kind: "phase", phase: "commit", startMs: 101, endMs: 104 },
];

function reportOf(records: readonly TimingRecord[]) {
  const time = steppedClock(0);
  const collector = collectTimings(time.now);
  for (const record of records) collector.record(record);
  time.pass(110);
  return collector.report();
}

test("a layer's stages, without what goes on beside them, add up to its time from the beginning of the pull", () => {
  for (const { durationMs, stages } of reportOf(RECORDS).layers) {
    const own = stages.filter(({ stage }) => stage !== "fetch");
    expect(own.reduce((sum, timing) => sum + timing.durationMs, 0)).toBeCloseTo(durationMs, 6);
  }
});

test("each stage has its time, and its bytes and rate where bytes are what it works on", () => {
  const [base] = reportOf(RECORDS).layers;
  expect(base).toEqual({
    layer: 0,
    digest: "sha256:aa",
    sizeBytes: 1000,
    decodedBytes: 4000,
    entries: 7,
    durationMs: 52,
    stages: [
      { stage: "turn", durationMs: 2 },
      { stage: "fetch", durationMs: 8, sizeBytes: 1000, bytesPerSecond: 125_000 },
      { stage: "starved", durationMs: 10 },
      { stage: "digest", durationMs: 4, sizeBytes: 1000, bytesPerSecond: 250_000 },
      { stage: "inflate", durationMs: 20, sizeBytes: 4000, bytesPerSecond: 200_000 },
      { stage: "diffId", durationMs: 6, sizeBytes: 4000, bytesPerSecond: 666_667 },
      { stage: "walk", durationMs: 2, sizeBytes: 4000, bytesPerSecond: 2_000_000 },
      { stage: "place", durationMs: 8, sizeBytes: 3000, bytesPerSecond: 375_000 },
      { stage: "queued", durationMs: 0 },
    ],
  });
});

test("of the whole, reading counts once however many layers are read, and syncs are no part of the seal", () => {
  const { stages, ...whole } = reportOf(RECORDS);
  expect(whole).toMatchObject({ durationMs: 110, sizeBytes: 1100, decodedBytes: 4200, entries: 9 });
  const times = Object.fromEntries(stages.map(({ stage, durationMs }) => [stage, durationMs]));
  expect(times).toEqual({
    resolve: 5,
    fetch: 8,
    digest: 5,
    inflate: 25,
    diffId: 8,
    walk: 3,
    place: 9,
    merge: 3,
    seal: 12,
    sync: 15,
    commit: 3,
  });
});

test("the bottleneck is that of the layer that ended last and of what came before and after it", () => {
  // Layer 2: 10 ms of its own, 46 ms of waiting for a worker that was at layer 1.
  const { resource, stage, layer, shares } = reportOf(RECORDS).bottleneck;
  expect({ resource, stage, layer }).toEqual({ resource: "processor", stage: "inflate", layer: 1 });
  const total = 5 + 62 + 4 + 12 + 15 + 3;
  expect(shares.network).toBeCloseTo((5 + 4 + 2 * (14 / 64)) / total, 3);
});

test("a layer that was fetched twice has the time and the bytes of both, and its turn was what lay between", () => {
  const again = RECORDS.flatMap((record): TimingRecord[] =>
    record.kind === "layer" && record.layer === 1
      ? [
          { ...record, endMs: 30, entries: 0 },
          { ...record, startMs: 50 },
        ]
      : [record],
  );
  const layer = reportOf(again).layers[1];
  expect(layer).toMatchObject({ decodedBytes: 400, entries: 2, durationMs: 62 });
  expect(layer?.stages[0]).toEqual({ stage: "turn", durationMs: 22 });
  expect(reportOf(again).sizeBytes).toBe(1200);
});

test("without a seal there is none in the report, and no layers need be there", () => {
  const resolved = RECORDS.slice(0, 2);
  const report = reportOf(resolved);
  expect(report.layers).toEqual([]);
  expect(report.bottleneck).not.toHaveProperty("layer");
  expect(report.stages.map(({ stage }) => stage)).not.toContain("seal");
  expect(report.bottleneck).toMatchObject({ resource: "network", stage: "resolve", share: 1 });
});
