import { spawnSync } from "node:child_process";
import { mkdtempSync, realpathSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { sampled, withoutRepetitions } from "./faults/fault-points.ts";
import { FAULTS, runFault, runUndisturbed, type Fault } from "./faults/fault-run.ts";
import { faultScenarios, faultSources, type ScenarioPlan } from "./faults/fault-scenarios.ts";
import { faultWorld, type FaultWorld } from "./faults/fault-world.ts";
import { startTestRegistry } from "./test-registry/test-registry.ts";

interface Choice {
  readonly faults: readonly Fault[];
  readonly every: number;
  readonly seed: number;
  readonly all: boolean;
  readonly verbose: boolean;
}

async function runScenario(world: FaultWorld, plan: ScenarioPlan, choice: Choice): Promise<number> {
  await world.clear();
  const scenario = await plan.make(world);
  await world.save();
  const expected = await runUndisturbed(world, scenario);
  const distinct = choice.all ? expected.points : withoutRepetitions(expected.points);
  const points = sampled(distinct, choice.every, choice.seed);
  let wrong = 0;
  for (const fault of choice.faults) {
    const counts = new Map<string, number>();
    let [bad, missed] = [0, 0];
    for (const point of points) {
      const result = await runFault(world, scenario, { point, fault, expected });
      const key = `${result.outcome}, ${result.state}`;
      counts.set(key, (counts.get(key) ?? 0) + 1);
      if (!result.reached) missed += 1;
      if (result.problems.length > 0) bad += 1;
      const mark = result.problems.length > 0 ? "FAIL" : result.reached ? "ok  " : "miss";
      if (mark === "ok  " && !choice.verbose) continue;
      const where = `${plan.title}: ${fault} at ${point.what} (${point.path} ${point.when})`;
      process.stdout.write(`${mark} ${where}: ${key} ${result.problems.join("; ")}\n`);
    }
    wrong += bad + missed;
    const outcomes = [...counts].map(([key, count]) => `${count} ${key}`).join("; ");
    process.stdout.write(
      `${plan.title}: ${fault}: ${bad} of ${points.length} wrong, ${missed} not reached (${outcomes})\n`,
    );
  }
  return wrong;
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      only: { type: "string", default: "" },
      fault: { type: "string", multiple: true, default: [...FAULTS] },
      every: { type: "string", default: "1" },
      seed: { type: "string", default: "0" },
      all: { type: "boolean", default: false },
      verbose: { type: "boolean", default: false },
    },
  });
  const work = realpathSync(mkdtempSync(join(tmpdir(), "rootlift-faults-")));
  const registry = await startTestRegistry();
  let wrong = 0;
  try {
    const sources = await faultSources(work, registry);
    const world = faultWorld(work);
    for (const plan of faultScenarios(sources)) {
      if (!plan.title.includes(values.only)) continue;
      const faults = FAULTS.filter((fault) => values.fault.includes(fault));
      const { all, verbose } = values;
      const choice = { faults, every: Number(values.every), seed: Number(values.seed), all, verbose };
      wrong += await runScenario(world, plan, choice);
    }
  } finally {
    await registry.close();
    spawnSync("rm", ["-rf", "--", work]);
  }
  return wrong === 0 ? 0 : 1;
}

process.exitCode = await main();
