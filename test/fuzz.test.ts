import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { FuzzSession } from "./fuzz/fuzz-session.ts";
import { judge } from "./fuzz/judge.ts";
import { TARGETS } from "./fuzz/targets/index.ts";

/**
 * A short fuzz of every target, with another seed each time: what it finds, `npm run fuzz -- --seed … --only …` runs
 * again. And the inputs that were found before.
 */
const SEED = Date.now() % 2 ** 32;
const MOST_MS = 500;
const MOST_EXECUTIONS = 300;
const FOUND = join(import.meta.dirname, "../testdata/fuzz");

test.each(TARGETS)("$name: hostile bytes give results and refusals only", async (target) => {
  const opened = await target.open();
  const failed: string[] = [];
  const run = async (input: Uint8Array, again: string): Promise<void> => {
    const verdict = await judge(opened, input);
    if (typeof verdict !== "string") failed.push(`npm run fuzz -- ${again}\n${verdict.stack}`);
  };
  try {
    for (const path of foundInputs(target.name)) await run(readFileSync(path), `--replay ${path}`);
    const session = new FuzzSession(target, opened, { seed: SEED });
    const end = performance.now() + MOST_MS;
    for (let n = 0; n < MOST_EXECUTIONS && performance.now() < end; n++) {
      // Past the seeds, which other tests know.
      const { number, input } = session.execution(opened.seeds.length + n);
      await run(input, `--seed ${SEED} --target ${target.name} --only ${number}`);
    }
  } finally {
    opened.close?.();
  }
  expect(failed).toEqual([]);
});

function foundInputs(target: string): readonly string[] {
  const folder = join(FOUND, target);
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((name) => name.endsWith(".bin"))
    .map((name) => join(folder, name));
}
