import { existsSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { IMAGES } from "../../benchmarks/setup/images.ts";
import { hasImage } from "../../benchmarks/setup/registry-process.ts";
import { fileEntry, makeLayer } from "../support/make-layer.ts";
import { runBenchmark } from "../support/run-benchmark.ts";
import { scratchDirectory } from "../support/scratch.ts";
import { startedRegistry } from "../support/started-registry.ts";

test("nothing is done where a registry has the images", async () => {
  const registry = await startedRegistry();
  const layers = [await makeLayer([fileEntry("a", "b")])];
  for (const { name } of IMAGES) {
    const [repository = "", tag = ""] = name.split(":");
    await registry.addImage(repository, tag, { layers });
  }
  const directory = join(scratchDirectory(), "lab");
  const port = registry.host.split(":")[1] ?? "";
  const stdout = await runBenchmark("setup.ts", { port, directory });
  expect(stdout).toBe(`registry with the benchmark images: ${registry.host}\n`);
  expect(existsSync(directory)).toBe(false);
  expect(registry.requests.map(({ method }) => method)).not.toContain("POST");
  expect(await hasImage(registry.host, "lab/app:3")).toBe(false);
});
