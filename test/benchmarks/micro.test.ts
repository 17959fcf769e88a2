import { join } from "node:path";
import { expect, test } from "vitest";
import { layerTasks, walk } from "../../benchmarks/micro/layer-tasks.ts";
import { treeTasks } from "../../benchmarks/micro/tree-tasks.ts";
import { fileChunks, fileName } from "../../benchmarks/images/file-chunks.ts";
import { textBytes } from "../../benchmarks/images/words.ts";
import { runBenchmark } from "../support/run-benchmark.ts";
import { scratchDirectory } from "../support/scratch.ts";

test("every step can be called over and over", () => {
  for (const { amount, run } of [...layerTasks(1 << 17), ...treeTasks(300)]) {
    run();
    run();
    expect(amount).toBeGreaterThan(0);
  }
});

test("made files come out of the archive with their names, sizes and numbers", () => {
  const [batch] = walk(Buffer.concat([...fileChunks({ files: 3, bodyBytes: 600, first: 4095 })]));
  expect(batch?.sizes.subarray(0, 3)).toEqual(Float64Array.of(600, 600, 600));
  const at = batch?.pathOffsets[1] ?? 0;
  const path = Buffer.from(batch?.bytes ?? []).subarray(at, at + (batch?.pathLengths[1] ?? 0));
  expect(path.toString()).toBe(fileName(4096));
  expect(fileName(4096)).toBe("tree/0/1/0/file-4096.txt");
});

test("text of one seed is the same, of another seed another one", () => {
  expect(textBytes(5, 1000)).toEqual(textBytes(5, 1000));
  expect(textBytes(5, 1000)).not.toEqual(textBytes(6, 1000));
});

test("rates are told for the steps asked for", async () => {
  const json = join(scratchDirectory(), "micro.json");
  const stdout = await runBenchmark("micro.ts", {
    milliseconds: "1",
    entries: "100",
    mebibytes: "1",
    only: "SHA-256",
    json,
  });
  expect(stdout).toMatch(/^SHA-256 +\d+ +\d+–\d+ +MB/m);
});
