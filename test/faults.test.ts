import { afterAll, beforeAll, expect, test } from "vitest";
import { spawnSync } from "node:child_process";
import { mkdtempSync, realpathSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sampled, withoutRepetitions } from "./support/faults/fault-points.ts";
import {
  runFault,
  runUndisturbed,
  type Fault,
  type Undisturbed,
} from "./support/faults/fault-run.ts";
import type { FaultScenario } from "./support/faults/fault-scenario.ts";
import { faultScenarios, faultSources } from "./support/faults/fault-scenarios.ts";
import { faultWorld, type FaultWorld } from "./support/faults/fault-world.ts";
import { checkPowerOff, powerOffs } from "./support/faults/power-off.ts";
import { startTestRegistry, type TestRegistry } from "./support/test-registry/test-registry.ts";

/** A few of the points of one import; all of them, of all commands: `npm run test:faults`. */
const EVERY = { KILL: 60, EIO: 65, ENOSPC: 70, powerOff: 70 };

let work: string;
let registry: TestRegistry;
let world: FaultWorld;
let scenario: FaultScenario;
let expected: Undisturbed;

beforeAll(async () => {
  work = realpathSync(mkdtempSync(join(tmpdir(), "rootlift-faults-")));
  registry = await startTestRegistry();
  world = faultWorld(work);
  const plans = faultScenarios(await faultSources(work, registry));
  const plan = plans.find(({ title }) => title === "import ext4 --output");
  if (plan === undefined) throw new Error("there is no such scenario");
  await world.clear();
  scenario = await plan.make(world);
  await world.save();
  expected = await runUndisturbed(world, scenario);
});
afterAll(async () => {
  await registry.close();
  spawnSync("rm", ["-rf", "--", work]);
});

test.each<Fault>(["KILL", "EIO", "ENOSPC"])(
  "an import whose system call meets %s leaves the store as before or as after, and says so",
  async (fault) => {
    expect(expected.points.length).toBeGreaterThan(100);
    const points = sampled(withoutRepetitions(expected.points), EVERY[fault], 3);
    expect(points.length).toBeGreaterThan(0);
    for (const point of points) {
      const { reached, problems } = await runFault(world, scenario, { point, fault, expected });
      expect({ point, reached, problems }).toEqual({ point, reached: true, problems: [] });
    }
  },
);

test("killed between the parents that it makes for its output, an import leaves neither", async () => {
  const point = expected.points.find(({ what }) => what === 'mkdir "outside/some/where"');
  if (point === undefined) throw new Error("there is no such call");
  const { problems } = await runFault(world, scenario, { point, fault: "KILL", expected });
  expect(problems).toEqual([]);
});

test("a power-off leaves the store as before or as after; once the import has ended, as after", async () => {
  const all = await powerOffs(world, scenario);
  expect(all.length).toBeGreaterThan(100);
  const chosen = new Set(sampled(all, EVERY.powerOff, 5));
  for (const off of all.filter((one) => chosen.has(one) || one.ended)) {
    const { problems } = await checkPowerOff(world, scenario, { off, expected });
    const { calls, last, lost } = off;
    expect({ calls, last, lost, problems }).toEqual({ calls, last, lost, problems: [] });
  }
});
