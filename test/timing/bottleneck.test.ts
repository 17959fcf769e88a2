import { expect, test } from "vitest";
import type { TimingStage } from "../../src/progress.ts";
import { findBottleneck } from "../../src/timing/bottleneck.ts";
import type { LayerStage } from "../../src/timing/layer-time.ts";

type Times<Name extends string> = Partial<Record<Name, number>>;

function ofStages<Name extends string>(
  times: Times<Name>,
  names: readonly Name[],
): Map<Name, number> {
  return new Map(names.map((name) => [name, times[name] ?? 0]));
}

const LAYER: readonly LayerStage[] = [
  "turn",
  "starved",
  "digest",
  "inflate",
  "diffId",
  "walk",
  "place",
  "queued",
];
const WHOLE: readonly TimingStage[] = ["resolve", "merge", "seal", "sync", "commit"];

/** @param others all layers but the last, added up */
function verdict(
  last: Times<LayerStage>,
  whole: Times<TimingStage> = {},
  others: Times<LayerStage> = {},
) {
  const lastLayer = ofStages(last, LAYER);
  const allLayers = new Map(
    LAYER.map((stage) => [stage, (last[stage] ?? 0) + (others[stage] ?? 0)]),
  );
  return findBottleneck({ lastLayer, allLayers, whole: ofStages(whole, WHOLE) });
}

test.each<readonly [string, Times<LayerStage>, Times<TimingStage>, string]>([
  ["a decoder that starves", { starved: 60, inflate: 40 }, {}, "network: starved"],
  [
    "a registry that is slow to say what it has",
    { inflate: 10 },
    { resolve: 30 },
    "network: resolve",
  ],
  ["decompression", { starved: 10, inflate: 30, diffId: 20, place: 25 }, {}, "processor: inflate"],
  ["hashes", { digest: 10, diffId: 20, inflate: 5 }, {}, "processor: diffId"],
  ["a tree that is merged at the end", { inflate: 10 }, { merge: 11 }, "processor: merge"],
  ["bodies", { inflate: 10, place: 11 }, {}, "disk: place"],
  ["a disk that is waited for", { inflate: 30, place: 9 }, { sync: 25, seal: 1 }, "disk: sync"],
])("%s is the bottleneck", (_what, last, whole, expected) => {
  const { resource, stage } = verdict(last, whole);
  expect(`${resource}: ${stage}`).toBe(expected);
});

test("the resource is the one with the most time, though a stage of another is the longest", () => {
  const { resource, stage, share, shares } = verdict({
    starved: 40,
    digest: 20,
    inflate: 25,
    walk: 15,
  });
  expect({ resource, stage, share }).toEqual({
    resource: "processor",
    stage: "inflate",
    share: 0.25,
  });
  expect(shares).toEqual({ network: 0.4, processor: 0.6, disk: 0 });
});

test("where a layer waited for its turn, what the layers before it waited for stands in", () => {
  const slow = verdict({ turn: 90, inflate: 10 }, {}, { starved: 300, inflate: 20 });
  expect(slow).toMatchObject({ resource: "network", stage: "starved" });
  const busy = verdict({ turn: 90, starved: 10 }, {}, { starved: 20, place: 300 });
  expect(busy).toMatchObject({ resource: "disk", stage: "place" });
});

test("where bytes waited for a worker, what that worked on stands in, and never its idling", () => {
  const queued = verdict({ queued: 80, inflate: 10 }, {}, { starved: 10_000, walk: 90 });
  expect(queued).toMatchObject({ resource: "processor", stage: "walk" });
  expect(queued.shares.network).toBe(0);
});

test("shares add up, and an import without any time has some bottleneck all the same", () => {
  const { shares } = verdict({ starved: 1, inflate: 1, place: 1 });
  expect(shares.network + shares.processor + shares.disk).toBeCloseTo(1, 2);
  expect(verdict({})).toMatchObject({ share: 0, shares: { network: 0, processor: 0, disk: 0 } });
});
