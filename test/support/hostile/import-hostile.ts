import { spawnSync } from "node:child_process";
import { join } from "node:path";
import type { Expected, HostileInput } from "./hostile-inputs.ts";
import { measuredRun, type MeasuredRun } from "./measured-import.ts";

/** The most memory that any hostile image may cost (issue 5). */
const MOST_RSS_BYTES = 400e6;

/** What an import ended with, in words and to be compared with what is expected. */
export function outcomeOf(run: MeasuredRun): { readonly text: string; readonly facts: unknown } {
  const { exitCode, signal, stdout, stderr } = run;
  if (exitCode === 0) {
    const record: { entries: number } = JSON.parse(stdout);
    return { text: `${record.entries} entries`, facts: { entries: record.entries } };
  }
  const last = stderr.trimEnd().split("\n").at(-1) ?? "";
  try {
    const { error }: { error: { code: string; details: { limit?: string } } } = JSON.parse(last);
    const { code, details } = error;
    const limit = details.limit === undefined ? {} : { limit: details.limit };
    const text = details.limit === undefined ? code : `${code} ${details.limit}`;
    return { text, facts: { code, ...limit } };
  } catch {
    return { text: `CRASH ${signal ?? exitCode}: ${stderr.slice(-300)}`, facts: undefined };
  }
}

/** @returns what is not as it must be */
export function problemOf(
  run: MeasuredRun,
  facts: unknown,
  expected: Expected,
): string | undefined {
  if (JSON.stringify(facts) !== JSON.stringify(expected)) return `not ${JSON.stringify(expected)}`;
  return run.peakRssBytes > MOST_RSS_BYTES ? "too much memory" : undefined;
}

/** With the command line, into a store of its own. @param place.work has the layout */
export async function importHostile(
  input: HostileInput,
  format: string,
  { work, command }: { readonly work: string; readonly command: string },
): Promise<MeasuredRun> {
  const home = join(work, `store-${format}`);
  const args = ["sbx", "image", "import", `oci:${join(work, "layout")}:case`, "--json"];
  const options = ["--format", format, "--no-fsync", ...(input.options ?? [])];
  const run = await measuredRun([command, ...args, ...options], {
    HOME: home,
    ROOTLIFT_HOME: home,
  });
  spawnSync("rm", ["-rf", "--", home]);
  return run;
}
