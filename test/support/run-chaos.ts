import { parseArgs } from "node:util";
import { MOST_MS } from "./chaos/chaos-import.ts";
import { runChaos, type Finding } from "./chaos/chaos-run.ts";

/**
 * npm run test:chaos -- [--minutes N] [--imports N] [--seed S] [--first N] [--lanes N]
 *
 * Imports small images over TLS from registries that do everything wrong that registries do: each ends with the right bytes or with
 * the error that names the fault, in bounded time, and leaves the store sound. A number is one import: `--seed S --first N --imports 1`
 * repeats it by itself. Prints what happened; exits with 1 when something was found.
 */
const COVERING = 1000;

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

function printFinding(seed: number): (finding: Finding) => void {
  return ({ number, what, plan, events }) => {
    print(`FINDING ${number}: ${what}`);
    print(`  ${plan}`);
    for (const event of events) print(`  ${event}`);
    print(`  repeat: npm run test:chaos -- --seed ${seed} --first ${number} --imports 1`);
  };
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      minutes: { type: "string" },
      imports: { type: "string" },
      seed: { type: "string", default: "1" },
      first: { type: "string", default: "0" },
      lanes: { type: "string" },
    },
  });
  const seed = Number(values.seed);
  const minutes = values.minutes ?? (values.imports === undefined ? "5" : undefined);
  const startMs = performance.now();
  const { tally, findings } = await runChaos({
    seed,
    imports: Number(values.imports ?? Number.MAX_SAFE_INTEGER),
    firstNumber: Number(values.first),
    ...(minutes === undefined ? {} : { minutes: Number(minutes) }),
    ...(values.lanes === undefined ? {} : { lanes: Number(values.lanes) }),
    onFinding: printFinding(seed),
  });
  for (const line of tally.lines(MOST_MS)) print(line);
  const missed = tally.imports >= COVERING ? tally.neverMet : [];
  if (missed.length > 0) print(`never met: ${missed.join(", ")}`);
  const seconds = Math.round((performance.now() - startMs) / 1000);
  print(`seed ${seed}: ${tally.imports} imports in ${seconds} s, ${findings.length} findings`);
  return findings.length + missed.length === 0 && tally.imports > 0 ? 0 : 1;
}

process.exitCode = await main();
