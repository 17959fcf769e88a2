import { expect, test } from "vitest";
import { createLayerDecoder } from "../src/layer/create-layer-decoder.ts";
import type { EntryBatch } from "../src/layer/entry-batch.ts";
import { DEFAULT_LIMITS } from "../src/limits.ts";
import { createLayerMerge } from "../src/rootfs/create-layer-merge.ts";
import { createNullPlacer } from "../src/sink/null-placer.ts";
import { directoryEntry, fileEntry, makeLayer } from "./support/make-layer.ts";
import { heapBytesOf } from "./support/costs/heap-allocations.ts";
import { costsOfFile } from "./support/costs/import-costs.ts";
import { sha256 } from "./support/decode-layer.ts";
import { runTl } from "./support/run-tl.ts";
import { scratchDirectory } from "./support/scratch.ts";
import { startedRegistry } from "./support/started-registry.ts";

/** What keeps speed from rotting without a clock: counts, the same on every machine. System calls a file: strace.test.ts. */
test.each([
  ["dir", 1.01],
  ["ext4", 1.15],
  ["erofs", 1.1],
  // Once into the spool, once into the archive, whose headers are 512 bytes a file.
  ["tar", 2.2],
] as const)(
  "an import as %s awaits nothing for a file, and writes its bytes %d times at most",
  async (format, writtenPerByte) => {
    const costs = await costsOfFile(format, scratchDirectory(), [500, 3000]);
    expect(costs.promises).toBeLessThan(0.05);
    expect(costs.writtenPerByte).toBeGreaterThan(0.99);
    expect(costs.writtenPerByte).toBeLessThan(writtenPerByte);
  },
);

test("an image of three layers takes five requests, and one more connection check at most", async () => {
  const registry = await startedRegistry();
  const names = ["one", "two", "three"];
  const layers = await Promise.all(names.map((name) => makeLayer([fileEntry(name, name)])));
  await registry.addImage("team/web", "1.0", { layers });
  const run = await runTl(["import", `${registry.host}/team/web:1.0`, "--no-fsync"], {
    home: scratchDirectory(),
  });
  expect(run.exitCode).toBe(0);
  const asked = registry.requests.map(({ method, path }) => `${method} ${path.split("/").at(-2)}`);
  expect(asked.filter((request) => request === "GET manifests")).toHaveLength(1);
  expect(asked.filter((request) => request === "GET blobs")).toHaveLength(4);
  expect(asked.length).toBeLessThanOrEqual(6);
});

test("an entry costs few bytes of the JavaScript heap, garbage included, from the archive to the merged tree", async () => {
  const entries = 20_000;
  const layer = await makeLayer(
    [
      directoryEntry("d"),
      ...Array.from({ length: entries }, (_, number) => fileEntry(`d/file-${number}`, "contents")),
    ],
    "none",
  );
  const digest = sha256(layer.bytes);
  const decodeAndMerge = (): void => {
    const merge = createLayerMerge(DEFAULT_LIMITS, { reference: "test", layers: 1 });
    const batches: EntryBatch[] = [];
    const decoder = createLayerDecoder({
      label: "layer",
      layer: 0,
      digest,
      sizeBytes: layer.bytes.length,
      diffId: digest,
      limits: DEFAULT_LIMITS,
      bodies: createNullPlacer({ kind: "null", layer: 0 }),
      onBatch: (batch) => batches.push(batch),
    });
    decoder.push(layer.bytes);
    decoder.finish();
    decoder.close();
    merge.addLayer(0, batches);
    // The root counts too.
    expect(merge.finish().entries).toBe(entries + 2);
  };
  // What is set aside once, for code, is not an entry's.
  decodeAndMerge();
  const bytes = (await heapBytesOf(decodeAndMerge)) / entries;
  expect(bytes).toBeLessThan(320);
});
