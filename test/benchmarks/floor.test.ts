import { randomBytes } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { expect, test } from "vitest";
import { ratiosToFloors, type FloorRow } from "../../benchmarks/floor/ratios-to-floors.ts";
import { runFloor } from "../../benchmarks/floor/run-threads.ts";
import { readImage } from "../../benchmarks/registry/read-image.ts";
import { fileEntry, makeLayer } from "../support/make-layer.ts";
import { runBenchmark } from "../support/run-benchmark.ts";
import { scratchDirectory } from "../support/scratch.ts";
import { startedRegistry } from "../support/started-registry.ts";

/** A layer that goes around the ring of the split floor, and a small one. */
async function twoLayers() {
  const file = fileEntry("a", Buffer.alloc(18 << 20, randomBytes(1021)));
  return Promise.all([makeLayer([file]), makeLayer([fileEntry("b", "small")])]);
}

test.each([
  ["one thread a layer", false],
  ["the largest layer split", true],
])("the floor writes the plain bytes of all layers, %s", async (_way, split) => {
  const registry = await startedRegistry();
  const layers = await twoLayers();
  await registry.addImage("lab/two", "1", { layers });
  const image = await readImage(`${registry.host}/lab/two:1`);
  const outputPath = scratchDirectory();
  await runFloor(image.layers, { threads: 2, split, blobsPath: undefined, outputPath });
  for (const [at, { bytes }] of layers.entries()) {
    const written = readFileSync(join(outputPath, `layer-${at}`));
    expect(written.equals(gunzipSync(bytes))).toBe(true);
  }
});

test("the floor fails when the bytes are not the layer's", async () => {
  const registry = await startedRegistry();
  const layers = [await makeLayer([fileEntry("b", "small")])];
  await registry.addImage("lab/one", "1", { layers });
  const image = await readImage(`${registry.host}/lab/one:1`);
  // The time in the gzip header: what is inflated stays the same.
  registry.faults.add({ on: "blob", kind: "flip", atByte: 5 });
  const options = { threads: 1, split: false, blobsPath: undefined };
  const run = runFloor(image.layers, { ...options, outputPath: scratchDirectory() });
  await expect(run).rejects.toThrow(/wanted sha256:/);
});

test("floors are run and told, each in a process of its own", async () => {
  const registry = await startedRegistry();
  await registry.addImage("lab/tiny", "1", { layers: [await makeLayer([fileEntry("a", "b")])] });
  const directory = scratchDirectory();
  const stdout = await runBenchmark("floor.ts", {
    image: `${registry.host}/lab/tiny:1`,
    runs: "1",
    only: "floor without network",
    tmpfs: directory,
    json: join(directory, "floor.json"),
  });
  expect(stdout).toMatch(/lab\/tiny:1 +tmpfs +floor without network +\d+\.\d+/);
  expect(readdirSync(directory)).toEqual(["floor.json"]);
});

function floorRow(name: string, place: string, wallSeconds: number): FloorRow {
  const unmeasured = { peakRssBytes: 0, largestProcessBytes: 0, writtenBytes: 0, storageBytes: 0 };
  const runs = [{ wallSeconds, cpuSeconds: 2 * wallSeconds, ...unmeasured }];
  return { image: "i", place, name, isFloor: name.startsWith("floor"), runs };
}

test("an import is compared with the floors of its image in its place", () => {
  const rows = [
    floorRow("ours", "tmpfs", 3),
    floorRow("floor", "tmpfs", 2),
    floorRow("floor", "disk", 1),
  ];
  expect(ratiosToFloors(rows)).toEqual([["i", "tmpfs", "ours ÷ floor", "1.50", "1.50"]]);
});
