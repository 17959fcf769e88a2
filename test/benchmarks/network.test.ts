import { Agent, get } from "node:http";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { expect, test } from "vitest";
import { runBenchmark } from "../support/run-benchmark.ts";
import { scratchDirectory } from "../support/scratch.ts";
import { startedRegistry } from "../support/started-registry.ts";

test("ways to pull over slow lines are compared, with their requests", async () => {
  const directory = scratchDirectory();
  const json = join(directory, "network.json");
  const stdout = await runBenchmark("network.ts", {
    made: "1,1",
    runs: "1",
    megabytes: "100",
    delay: "1",
    tmpfs: directory,
    json,
    config: "ours: NO_COLOR=1 --concurrency 1 --format dir --no-fsync",
  });
  expect(stdout).toMatch(/^ours +\d/m);
  const { rows, layerBytes } = JSON.parse(readFileSync(json, "utf8"));
  expect(layerBytes).toBeGreaterThan(2 << 20);
  // Manifest, config, two layers.
  expect(rows[0]).toMatchObject({ name: "ours", ranges: 0 });
  expect(rows[0].requests).toBeGreaterThanOrEqual(4);
  expect(rows[0].runs[0].error).toBeUndefined();
});

test("the test registry keeps to its rate, and greets a connection late once", async () => {
  const registry = await startedRegistry({ bytesPerSecond: 2_000_000, connectDelayMs: 100 });
  const { digest } = await registry.addBlob(Buffer.alloc(600_000));
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const pull = async (): Promise<number> => {
    const begun = performance.now();
    const response = await new Promise<NodeJS.ReadableStream>((settle, fail) => {
      get(`${registry.url}/v2/any/blobs/${digest}`, { agent }, settle).on("error", fail);
    });
    expect(await buffer(response)).toHaveLength(600_000);
    return performance.now() - begun;
  };
  // 0.3 s at that rate, less the last slice and what may be caught up with.
  expect(await pull()).toBeGreaterThan(100 + 200);
  expect(await pull()).toBeGreaterThan(200);
  agent.destroy();
});
