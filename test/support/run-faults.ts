import { spawnSync } from "node:child_process";
import { mkdtempSync, realpathSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { sampled, withoutRepetitions } from "./faults/fault-points.ts";
import {
  FAULTS,
  runFault,
  runUndisturbed,
  type Fault,
  type Undisturbed,
} from "./faults/fault-run.ts";
import type { FaultScenario } from "./faults/fault-scenario.ts";
import { faultScenarios, faultSources } from "./faults/fault-scenarios.ts";
import { faultWorld, type FaultWorld } from "./faults/fault-world.ts";
import { checkPowerOff, powerOffs } from "./faults/power-off.ts";
import { startTestRegistry } from "./test-registry/test-registry.ts";

/**
 * npm run test:faults -- [--only TEXT] [--fault KILL|EIO|ENOSPC|POWER]… [--every K --seed N] [--all] [--verbose]
 *
 * Each command that changes a store, once for each system call that changes something on the disk: killed before it, or with
 * the call failing. POWER: once for each disk that a power-off would leave. Afterwards the store is as before or as after, the
 * next command cleans up, and an import gives the same bytes. Of writes that follow each other in one file three are tried, with
 * `--all` each. Not reached is a call that another thread makes on the same path too, and earlier. A line a command and fault, and one for whatever is wrong. As root.
 */
interface Choice {
  readonly every: number;
  readonly seed: number;
  readonly all: boolean;
  readonly verbose: boolean;
}

interface Trial {
  readonly title: string;
  readonly world: FaultWorld;
  readonly scenario: FaultScenario;
  readonly expected: Undisturbed;
}

const say = (line: string): void => {
  process.stdout.write(`${line}\n`);
};

class Tally {
  readonly #outcomes = new Map<string, number>();
  total = 0;
  wrong = 0;
  missed = 0;

  add(outcome: string, problems: readonly string[], reached = true): void {
    this.total += 1;
    if (problems.length > 0) this.wrong += 1;
    if (!reached) this.missed += 1;
    this.#outcomes.set(outcome, (this.#outcomes.get(outcome) ?? 0) + 1);
  }

  text(): string {
    const outcomes = [...this.#outcomes].map(([outcome, count]) => `${count} ${outcome}`);
    return `${this.wrong} of ${this.total} wrong, ${this.missed} not reached (${outcomes.join("; ")})`;
  }
}

async function runPoints(
  { title, world, scenario, expected }: Trial,
  fault: Fault,
  choice: Choice,
): Promise<Tally> {
  const distinct = choice.all ? expected.points : withoutRepetitions(expected.points);
  const tally = new Tally();
  for (const point of sampled(distinct, choice.every, choice.seed)) {
    const result = await runFault(world, scenario, { point, fault, expected });
    const { outcome, state, reached, problems } = result;
    tally.add(`${outcome}, ${state}`, problems, reached);
    const mark = problems.length > 0 ? "FAIL" : reached ? "ok  " : "miss";
    if (mark === "ok  " && !choice.verbose) continue;
    say(
      `${mark} ${title}: ${fault} at call ${point.when} of ${point.what}: ${outcome}, ${state} ${problems.join("; ")}`,
    );
  }
  return tally;
}

async function runPowerOffs(
  { title, world, scenario, expected }: Trial,
  choice: Choice,
): Promise<Tally> {
  const tally = new Tally();
  const all = await powerOffs(world, scenario);
  const chosen = new Set(sampled(all, choice.every, choice.seed));
  for (const off of all) {
    if (!chosen.has(off) && !off.ended) continue;
    const { state, problems } = await checkPowerOff(world, scenario, { off, expected });
    tally.add(state, problems);
    if (problems.length === 0 && !choice.verbose) continue;
    const mark = problems.length > 0 ? "FAIL" : "ok  ";
    say(
      `${mark} ${title}: power off after ${off.calls} calls, lost: ${off.lost}: ${off.last}: ${state} ${problems.join("; ")}`,
    );
  }
  return tally;
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      only: { type: "string", default: "" },
      fault: { type: "string", multiple: true, default: [...FAULTS, "POWER"] },
      every: { type: "string", default: "1" },
      seed: { type: "string", default: "0" },
      all: { type: "boolean", default: false },
      verbose: { type: "boolean", default: false },
    },
  });
  const { all, verbose } = values;
  const choice = { all, verbose, every: Number(values.every), seed: Number(values.seed) };
  const work = realpathSync(mkdtempSync(join(tmpdir(), "rootlift-faults-")));
  const registry = await startTestRegistry();
  let [total, wrong, missed] = [0, 0, 0];
  const count = (kind: string, tally: Tally): void => {
    say(`${kind}: ${tally.text()}`);
    [total, wrong, missed] = [total + tally.total, wrong + tally.wrong, missed + tally.missed];
  };
  try {
    const world = faultWorld(work);
    for (const { title, make } of faultScenarios(await faultSources(work, registry))) {
      if (!title.includes(values.only)) continue;
      await world.clear();
      const scenario = await make(world);
      await world.save();
      const trial = { title, world, scenario, expected: await runUndisturbed(world, scenario) };
      for (const fault of FAULTS.filter((name) => values.fault.includes(name))) {
        count(`${title}, ${fault}`, await runPoints(trial, fault, choice));
      }
      if (values.fault.includes("POWER")) {
        count(`${title}, power off`, await runPowerOffs(trial, choice));
      }
    }
  } finally {
    await registry.close();
    spawnSync("rm", ["-rf", "--", work]);
  }
  say(`${wrong} of ${total} wrong, ${missed} not reached`);
  // A harness that no longer hits what it aims at shows nothing.
  return wrong === 0 && total > 0 && missed <= total / 50 ? 0 : 1;
}

process.exitCode = await main();
