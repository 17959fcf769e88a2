import { parseArgs } from "node:util";
import { join } from "node:path";
import type { FuzzTarget } from "./fuzz-target.ts";
import { BROKEN_TARGETS } from "./targets/broken.ts";
import { TARGETS } from "./targets/index.ts";
import { WATCH_LIMITS } from "./watch-child.ts";

export const USAGE: string = `npm run fuzz -- [--minutes N] [--seed S] [--target NAME,...] [--findings DIRECTORY] [--rss-mib N]
npm run fuzz -- --seed S --target NAME --only N[/N...]    one execution again, as a finding names it
npm run fuzz -- --replay FILE                             a stored input, of the target that its folder names
targets: ${TARGETS.map(({ name }) => name).join(", ")}`;

const FINDINGS = join(import.meta.dirname, "../../testdata/fuzz");

export interface FuzzOptions {
  readonly minutes: number;
  readonly seed: number;
  readonly targets: readonly FuzzTarget[];
  /** A folder a target; every finding is a file there. */
  readonly findingsPath: string;
  /** More than this is a finding, MiB. */
  readonly rssMib: number;
  /** The execution to repeat, after those that its input was made by. */
  readonly only: readonly number[] | undefined;
  readonly replayPath: string | undefined;
}

/** @throws Error with what is wrong about the arguments */
export function parseOptions(args: readonly string[]): FuzzOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      minutes: { type: "string", default: "1" },
      seed: { type: "string" },
      target: { type: "string" },
      findings: { type: "string", default: FINDINGS },
      "rss-mib": { type: "string", default: String(WATCH_LIMITS.rssMib) },
      only: { type: "string" },
      replay: { type: "string" },
    },
  });
  return {
    minutes: numberOf("--minutes", values.minutes),
    seed: values.seed === undefined ? Date.now() % 2 ** 32 : numberOf("--seed", values.seed),
    targets: values.target === undefined ? TARGETS : values.target.split(",").map(targetNamed),
    findingsPath: values.findings,
    rssMib: numberOf("--rss-mib", values["rss-mib"]),
    only: values.only?.split("/").map((text) => numberOf("--only", text)),
    replayPath: values.replay,
  };
}

export function targetNamed(name: string): FuzzTarget {
  const target = [...TARGETS, ...BROKEN_TARGETS].find((one) => one.name === name);
  if (target === undefined) throw new Error(`there is no target "${name}"\n${USAGE}`);
  return target;
}

function numberOf(option: string, text: string): number {
  const number = Number(text);
  if (text !== "" && number >= 0 && number < 2 ** 48) return number;
  throw new Error(`${option} takes a number, not "${text}"\n${USAGE}`);
}
