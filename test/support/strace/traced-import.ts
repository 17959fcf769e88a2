import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import {
  importCommand,
  runImport,
  type ImportCase,
  type ToolRun,
} from "../case-kit/import-case.ts";
import { violationsOf } from "./allowed-paths.ts";
import { touchesOf } from "./path-calls.ts";
import { parseTrace } from "./trace-lines.ts";

/**
 * Every call that names a path or a socket. Rings of io_uring are refused, because what goes through them no trace shows;
 * Node does without. `openat2` and the like are in %file; the check fails on what it does not know.
 */
const STRACE = "strace -f --seccomp-bpf -qq -y -s 6000 -e signal=none"
  .split(" ")
  .concat(
    ["-e", "trace=%file,connect,bind,fchdir,open_by_handle_at,io_uring_setup"],
    ["-e", "inject=io_uring_setup:error=ENOSYS"],
  );
/** A traced system call takes many times as long. */
const TIMEOUT_MS = 300_000;

export interface TracedRun extends ToolRun {
  readonly calls: number;
  readonly violations: readonly string[];
}

/** Runs a command of the user whose home is `WORK/user` under strace. @param premises without the store, `WORK/home` */
export async function runTraced(
  command: readonly string[],
  {
    work,
    env,
    ...places
  }: {
    readonly work: string;
    readonly outputPath: string;
    readonly sources: readonly string[];
    readonly configuration: readonly string[];
    readonly env?: NodeJS.ProcessEnv;
  },
): Promise<TracedRun> {
  const trace = join(work, "trace");
  try {
    const run = await runImport([...STRACE, "-o", trace, ...command], {
      work,
      env: { HOME: join(work, "user"), ...env },
      timeoutMs: TIMEOUT_MS,
    });
    const calls = parseTrace(readFileSync(trace, "latin1"));
    const premises = { ...places, home: join(work, "home") };
    // strace is not what is measured.
    const traced = { ...run, peakRssMib: 0, calls: calls.length };
    return { ...traced, violations: violationsOf(touchesOf(calls), premises) };
  } finally {
    rmSync(trace, { force: true });
  }
}

/** How a case is imported under strace; each violation is told, with the number of calls it stands among. */
export function tracedImports(tell: (run: TracedRun) => void): ImportCase {
  return async (work, outputPath, options) => {
    const layout = join(work, "layout");
    const run = await runTraced(importCommand(work, outputPath, options), {
      work,
      outputPath,
      // A tag is looked for in the name of the directory first.
      sources: [layout, `${layout}:case`],
      configuration: [],
    });
    tell(run);
    return run;
  };
}
