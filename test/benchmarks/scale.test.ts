import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { entryGrowth, layerGrowth } from "../../benchmarks/scale/growth.ts";
import { scalePoints } from "../../benchmarks/scale/series.ts";
import { runBenchmark } from "../support/run-benchmark.ts";
import { scratchDirectory } from "../support/scratch.ts";

test("an image of a series is made, imported and its costs told", async () => {
  const directory = scratchDirectory();
  const json = join(directory, "scale.json");
  const stdout = await runBenchmark("scale.ts", {
    entries: "",
    layers: "3",
    "layer-entries": "100",
    format: "dir",
    runs: "1",
    tmpfs: directory,
    json,
  });
  expect(stdout).toMatch(/^100 +3 +\d/m);
  const { rows } = JSON.parse(readFileSync(json, "utf8"));
  expect(rows).toMatchObject([{ series: "layers", entries: 100, layers: 3 }]);
});

test("growth is fitted where the start of the process is not most of the time", () => {
  const points = [
    { entries: 1000, wallSeconds: 9 },
    { entries: 10_000, wallSeconds: 1 },
    { entries: 1_000_000, wallSeconds: 100 },
  ];
  const lines = entryGrowth(
    points.map(({ entries, wallSeconds }) => {
      return { entries, layers: 1, wallSeconds, peakRssBytes: 100 * 2 ** 20 + 120 * entries };
    }),
  );
  expect(lines).toEqual([
    "time grows as entries^1.00, from 10000 entries on",
    "10000 entries against 1000: 10.0× the entries, 0.1× the time",
    "1000000 entries against 10000: 100.0× the entries, 100.0× the time",
    "peak RSS grows by 120 B an entry, from 100 MiB",
  ]);
});

test("layers that cost nothing have the exponent 0", () => {
  const points = [1, 10, 100].map((layers) => {
    return { entries: 9, layers, wallSeconds: 2, peakRssBytes: 5 };
  });
  expect(layerGrowth(points)).toEqual([
    "time grows as layers^0.00, the entries being as many",
    "peak RSS grows by 0 KiB a layer",
  ]);
});

test("a series takes whole numbers", () => {
  expect(() => scalePoints({ entries: "1k", layers: "", layerEntries: "1" })).toThrow('"1k"');
});
