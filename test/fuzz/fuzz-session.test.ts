import { expect, test } from "vitest";
import { CoverageGuide } from "./coverage-guide.ts";
import { WrongResult, type FuzzTarget } from "./fuzz-target.ts";
import { FuzzSession, type Execution } from "./fuzz-session.ts";
import { mutateBytes } from "./mutate-bytes.ts";
import { paxTarget } from "./targets/pax.ts";

const SEED = 7;

async function executions(target: FuzzTarget, count: number): Promise<readonly Execution[]> {
  const opened = await target.open();
  const guide = new CoverageGuide();
  const session = new FuzzSession(target, opened, { seed: SEED, guide });
  const all: Execution[] = [];
  for (let number = 0; number < count; number++) {
    const execution = session.execution(number);
    all.push(execution);
    await session.run(execution);
  }
  guide.stop();
  return all;
}

test("any execution can be made again from seed, target and lineage", async () => {
  const all = await executions(paxTarget, 1500);
  const opened = await paxTarget.open();
  const again = new FuzzSession(paxTarget, opened, { seed: SEED });
  const longest = Math.max(...all.map(({ lineage }) => lineage.length));
  // Inputs that reached something new were mutated further.
  expect(longest).toBeGreaterThan(1);
  for (const { lineage, input } of all) {
    expect(Buffer.from(again.inputOf(lineage)).equals(input)).toBe(true);
  }
  const other = new FuzzSession(paxTarget, opened, { seed: SEED + 1 });
  const differing = all.filter(({ number }) => number > opened.seeds.length).slice(0, 50);
  expect(
    differing.some(({ lineage, input }) => !Buffer.from(other.inputOf(lineage)).equals(input)),
  ).toBe(true);
});

test("a wrong result is found, and told with what was wrong", async () => {
  const target: FuzzTarget = {
    name: "with a bug",
    weight: 1,
    open: () => ({
      seeds: [Buffer.from("aaaa")],
      mutate: (input, random) => mutateBytes(input, random),
      run: (input) => {
        if ((input[0] ?? 0) > 0x7f) throw new WrongResult("the first byte is ASCII");
      },
    }),
  };
  const opened = await target.open();
  const session = new FuzzSession(target, opened, { seed: SEED });
  const found: string[] = [];
  for (let number = 0; number < 2000; number++) {
    const verdict = await session.run(session.execution(number));
    if (typeof verdict !== "string") found.push(verdict.message);
  }
  expect(new Set(found)).toEqual(new Set(["WrongResult: the first byte is ASCII"]));
});
