import { parseArgs } from "node:util";
import { importAtOnce, killAmongOthers } from "./crash/concurrent-imports.ts";
import { startCrashImages } from "./crash/crash-images.ts";
import { runCrashSession } from "./crash/crash-session.ts";

/**
 * npm run test:crash -- [--times 100] [--seed N]
 * npm run test:crash -- --concurrent 200 [--processes 40] [--seed N]
 *
 * Kills the built command line (SIGKILL) at random moments of imports, replacements, registrations, removals, exports and repairs
 * on one store, and compares the store with a model after each (`crash/crash-session.ts`). Prints where the kills hit, and last
 * `N killed, N findings`; a finding has what is needed to run it again and the path of its store. As root for directories too.
 *
 * With --concurrent, so many imports at once, five for each name (`crash/concurrent-imports.ts`): a command line each, or spread over
 * --processes that use the library; without those, then also rounds in which one is killed among twenty others. Prints figures.
 */
async function crash(times: number, seed: number): Promise<boolean> {
  const images = await startCrashImages();
  try {
    const onProgress = (line: string): void => say(line);
    say(`seed ${seed}`);
    const { killed, findings, histogram } = await runCrashSession({
      times,
      seed,
      images,
      onProgress,
    });
    for (const finding of findings) say(`FINDING ${finding}`);
    say(histogram.text());
    say(`${killed} killed, ${findings.length} findings`);
    return findings.length === 0 && killed >= times;
  } finally {
    await images.close();
  }
}

/** @throws Error that says what was not right */
async function together(
  count: number,
  processes: number | undefined,
  seed: number,
): Promise<boolean> {
  const images = await startCrashImages();
  try {
    say(`seed ${seed}`);
    say(await importAtOnce({ count, processes, seed, images }));
    if (processes === undefined) say(await killAmongOthers({ count, seed, images }));
    return true;
  } finally {
    await images.close();
  }
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

const { values } = parseArgs({
  options: {
    times: { type: "string", default: "100" },
    seed: { type: "string", default: String(Date.now() % 1_000_000) },
    concurrent: { type: "string" },
    processes: { type: "string" },
  },
});
const seed = Number(values.seed);
const processes = values.processes === undefined ? undefined : Number(values.processes);
const right =
  values.concurrent === undefined
    ? await crash(Number(values.times), seed)
    : await together(Number(values.concurrent), processes, seed);
process.exitCode = right ? 0 : 1;
