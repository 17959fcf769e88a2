import { parseArgs } from "node:util";
import { startCrashImages } from "./crash/crash-images.ts";
import { runCrashSession } from "./crash/crash-session.ts";

/**
 * npm run test:crash -- [--times 100] [--seed N]
 *
 * Kills the built command line (SIGKILL) at random moments of imports, replacements, registrations, removals, exports and repairs
 * on one store, and compares the store with a model after each (`crash/crash-session.ts`). Prints where the kills hit, and last
 * `N killed, N findings`; a finding has what is needed to run it again and the path of its store. As root for directories too.
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

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

const { values } = parseArgs({
  options: {
    times: { type: "string", default: "100" },
    seed: { type: "string", default: String(Date.now() % 1_000_000) },
  },
});
process.exitCode = (await crash(Number(values.times), Number(values.seed))) ? 0 : 1;
