import { parseArgs } from "node:util";
import { Bench } from "tinybench";
import { layerTasks } from "./micro/layer-tasks.ts";
import type { MicroTask } from "./micro/micro-task.ts";
import { treeTasks } from "./micro/tree-tasks.ts";
import { resultPath, writeResult } from "./report/result-files.ts";
import { textTable } from "./report/text-table.ts";

/**
 * npm run bench:micro -- [--milliseconds 1000] [--entries 20000] [--mebibytes 16] [--only TEXT] [--json FILE]
 *
 * Single steps of an import on one thread, with nothing to wait for, in bytes or entries a second.
 */
const { values } = parseArgs({
  options: {
    milliseconds: { type: "string", default: "1000" },
    entries: { type: "string", default: "20000" },
    mebibytes: { type: "string", default: "16" },
    only: { type: "string", default: "" },
    json: { type: "string" },
  },
});
const tasks = [
  ...layerTasks(Number(values.mebibytes) * 2 ** 20),
  ...treeTasks(Number(values.entries)),
].filter(({ name }) => name.includes(values.only));

const bench = new Bench({
  time: Number(values.milliseconds),
  warmupTime: Number(values.milliseconds) / 4,
  iterations: 3,
  warmupIterations: 1,
});
for (const { name, run } of tasks) bench.add(name, run);
await bench.run();

const results = tasks.map((task) => {
  const result = bench.getTask(task.name)?.result;
  if (result === undefined || !("latency" in result)) {
    const why = result !== undefined && "error" in result ? `: ${result.error.message}` : "";
    throw new Error(`${task.name} did not run${why}`);
  }
  const rate = (milliseconds: number): number => (task.amount / milliseconds) * 1000;
  const { p50, max, min, samplesCount } = result.latency;
  return {
    name: task.name,
    unit: task.unit,
    median: rate(p50),
    low: rate(max),
    high: rate(min),
    calls: samplesCount,
  };
});
process.stdout.write(
  textTable(
    ["step", "median", "slowest–fastest call", "a second", "calls"],
    results.map(({ name, unit, median, low, high, calls }) => [
      name,
      shown(median, unit),
      `${shown(low, unit)}–${shown(high, unit)}`,
      unit === "bytes" ? "MB" : "k entries",
      String(calls),
    ]),
  ),
);
writeResult(values.json ?? resultPath("micro", ".json"), { results });

function shown(rate: number, unit: MicroTask["unit"]): string {
  return (rate / (unit === "bytes" ? 1e6 : 1e3)).toFixed(0);
}
