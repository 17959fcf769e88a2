import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { FindingStore } from "./findings.ts";
import {
  NO_FIGURES,
  progressLine,
  summaryTable,
  withProgress,
  type TargetFigures,
} from "./fuzz-report.ts";
import { FuzzSession } from "./fuzz-session.ts";
import type { FuzzTarget } from "./fuzz-target.ts";
import { judge } from "./judge.ts";
import { parseOptions, targetNamed, type FuzzOptions } from "./options.ts";
import { scratchFolder, SCRATCH_VARIABLE } from "./scratch-folder.ts";
import { watchChild, WATCH_LIMITS } from "./watch-child.ts";

/**
 * npm run fuzz -- --minutes N --seed S [--target NAME,...]
 *
 * Gives hostile bytes to everything that reads some; see `options.ts` for all options. The targets share the time by
 * their weights. Exit status 1 when there is a finding.
 */
const LINE_MS = 10_000;

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

interface FuzzRun {
  readonly options: FuzzOptions;
  readonly store: FindingStore;
  readonly notePath: string;
  /** Ctrl-C: what was done until then is told all the same. */
  readonly signal: AbortSignal;
}

/** One target for its share of the time, in as many processes as that takes. */
async function fuzz(
  target: FuzzTarget,
  seconds: number,
  { options, store, notePath, signal }: FuzzRun,
): Promise<TargetFigures> {
  const start = performance.now();
  const elapsed = (): number => (performance.now() - start) / 1000;
  let ended = NO_FIGURES;
  let figures = NO_FIGURES;
  const printer = setInterval(() => say(progressLine(target.name, figures)), LINE_MS);
  try {
    for (let first: number | undefined = 0; first !== undefined && elapsed() < seconds;) {
      const task = { target: target.name, seed: options.seed, firstNumber: first, notePath };
      first = await watchChild(
        { ...task, seconds: seconds - elapsed() },
        {
          limits: { ...WATCH_LIMITS, rssMib: options.rssMib },
          signal,
          onProgress: (progress) => {
            const more = { seconds: elapsed(), findings: store.count(target.name) };
            figures = withProgress(ended, progress, more);
          },
          onFinding: (finding) => {
            const path = store.add(finding);
            if (path !== undefined)
              say(`FINDING ${target.name} ${finding.kind}: ${finding.message}\n  ${path}`);
          },
        },
      );
      ended = figures;
    }
  } finally {
    clearInterval(printer);
  }
  return { ...figures, findings: store.count(target.name) };
}

async function fuzzAll(options: FuzzOptions): Promise<number> {
  const { minutes, seed, targets } = options;
  const scratch = scratchFolder("run");
  process.env[SCRATCH_VARIABLE] = scratch;
  const store = new FindingStore(options.findingsPath, seed);
  const figures = new Map<string, TargetFigures>();
  say(
    `seed ${seed}, ${minutes} min, ${targets.length} targets, findings go to ${options.findingsPath}`,
  );
  const stop = new AbortController();
  for (const name of ["SIGINT", "SIGTERM"] as const) process.once(name, () => stop.abort());
  const { signal } = stop;
  const weights = targets.reduce((sum, { weight }) => sum + weight, 0);
  try {
    for (const target of targets) {
      if (signal.aborted) break;
      const seconds = (minutes * 60 * target.weight) / weights;
      const notePath = join(scratch, "running-input");
      writeFileSync(notePath, "");
      figures.set(target.name, await fuzz(target, seconds, { options, store, notePath, signal }));
      say(progressLine(target.name, figures.get(target.name) ?? NO_FIGURES));
    }
  } finally {
    rmSync(scratch, { recursive: true });
  }
  say(`\nseed ${seed}\n${summaryTable(figures)}`);
  return store.count() === 0 ? 0 : 1;
}

/** Runs one input in this process and tells what came of it. */
async function runOne(
  target: FuzzTarget,
  input: (session: FuzzSession) => Uint8Array,
  seed: number,
): Promise<number> {
  const opened = await target.open();
  try {
    const verdict = await judge(opened, input(new FuzzSession(target, opened, { seed })));
    say(typeof verdict === "string" ? verdict : `${verdict.message}\n${verdict.stack}`);
    return typeof verdict === "string" ? 0 : 1;
  } finally {
    opened.close?.();
  }
}

async function main(args: readonly string[]): Promise<number> {
  const options = parseOptions(args);
  const { replayPath, only, seed, targets } = options;
  if (replayPath !== undefined) {
    const target = args.includes("--target")
      ? targets[0]
      : targetNamed(basename(dirname(replayPath)));
    const input = readFileSync(replayPath);
    return target === undefined ? 2 : runOne(target, () => input, seed);
  }
  if (only === undefined) return fuzzAll(options);
  const [target] = targets;
  return target === undefined ? 2 : runOne(target, (session) => session.inputOf(only), seed);
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  process.stderr.write(`fuzz: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 2;
}
