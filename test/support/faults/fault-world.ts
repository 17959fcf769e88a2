import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { renameIdentity } from "./rename-identity.ts";
import { mustRun, runProgram, type ProgramRun } from "../run-program.ts";
import type { FaultPlace, FaultScenario } from "./fault-scenario.ts";

const COMMAND = resolve(import.meta.dirname, "../../../bin/tl.js");
const FIXED_CHOICES = join(import.meta.dirname, "fixed-choices.ts");

export interface TracedRun extends ProgramRun {
  /** What strace wrote. */
  readonly trace: string;
}

/** Where commands run, again and again from the same start. */
export interface FaultWorld {
  readonly place: FaultPlace;
  /** What is at the place now is what `restore` brings back. */
  save(): Promise<void>;
  restore(scenario: Pick<FaultScenario, "outputPath">): Promise<void>;
  /** An empty place. */
  clear(): Promise<void>;
  /** Runs `tl` under strace. @param options besides `-f` and the like: what is traced and tampered with */
  run(command: readonly string[], options: readonly string[]): Promise<TracedRun>;
}

/** @param work an existing directory */
export function faultWorld(work: string): FaultWorld {
  const run = join(work, "run");
  const saved = join(work, "saved");
  const trace = join(work, "trace");
  const place = { home: join(run, "home"), outside: join(run, "outside") };
  const env = {
    ROOTLIFT_HOME: place.home,
    HOME: join(work, "user"),
    // Calls are counted for each thread: asynchronous ones are all to come from one.
    UV_THREADPOOL_SIZE: "1",
  };
  return {
    place,
    save: async () => {
      await remove(saved);
      await mustRun("cp", ["-a", "--sparse=always", "--", run, saved]);
    },
    restore: async ({ outputPath }) => {
      await remove(run);
      await mustRun("cp", ["-a", "--sparse=always", "--", saved, run]);
      if (outputPath !== undefined && existsSync(outputPath)) {
        renameIdentity(join(place.home, "ingest"), outputPath);
      }
    },
    clear: async () => {
      await remove(run);
      mkdirSync(place.outside, { recursive: true });
    },
    run: async (command, options) => {
      await remove(trace);
      const node = [process.execPath, `--import=${FIXED_CHOICES}`, COMMAND, ...command];
      const strace = ["-f", "-qq", "-y", "-o", trace, "-e", "signal=none", ...options];
      const ended = await runProgram("strace", [...strace, ...node], { cwd: work, env });
      return { ...ended, trace: existsSync(trace) ? readFileSync(trace, "latin1") : "" };
    },
  };
}

async function remove(path: string): Promise<void> {
  await mustRun("rm", ["-rf", "--", path]);
}
