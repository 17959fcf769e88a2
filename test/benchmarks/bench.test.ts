import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { runBenchmark } from "../support/run-benchmark.ts";
import { fileEntry, makeLayer } from "../support/make-layer.ts";
import { scratchDirectory } from "../support/scratch.ts";
import { startedRegistry } from "../support/started-registry.ts";

test("the bench runs us and a peer on one image and leaves figures and a picture", async () => {
  const registry = await startedRegistry();
  const layers = [await makeLayer([fileEntry("file", Buffer.alloc(300_000, "x"))])];
  await registry.addImage("lab/tiny", "1", { layers });
  const directory = scratchDirectory();
  const json = join(directory, "tiny.json");
  const stdout = await runBenchmark("bench.ts", {
    image: `${registry.host}/lab/tiny:1`,
    runs: "1",
    on: "tmpfs",
    only: "dir --no-fsync,mkfs.ext4",
    tmpfs: directory,
    json,
  });
  expect(stdout).toMatch(/tmpfs +rootlift --format dir --no-fsync/);
  const { rows } = JSON.parse(readFileSync(json, "utf8"));
  expect(rows).toMatchObject([
    { place: "tmpfs", isOurs: true, result: "directory" },
    { place: "tmpfs", isOurs: false, result: "disk image" },
  ]);
  for (const { runs } of rows) {
    expect(runs).toHaveLength(1);
    expect(runs[0].error).toBeUndefined();
    expect(runs[0].writtenBytes).toBeGreaterThan(300_000);
  }
  const picture = readFileSync(join(directory, "tiny-tmpfs.svg"), "utf8");
  expect(picture).toContain("skopeo + umoci + mkfs.ext4 -d");
});
