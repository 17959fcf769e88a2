import { spawnSync } from "node:child_process";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { hostileInputs, type Expected, type HostileInput } from "./hostile/hostile-inputs.ts";
import { writeHostileLayout } from "./hostile/hostile-layout.ts";
import { measuredRun, type MeasuredRun } from "./hostile/measured-import.ts";

/**
 * npm run test:hostile -- [--format dir|ext4|tar] [--only TEXT] [--scale 1] [--command PATH]
 *
 * Imports hostile images with the real command line, each in a process of its own: the right tree or the right refusal,
 * never more than 400 MB of memory. A line an input; last `N passed, N failed`. As root, with 20 GB free in the directory
 * for temporary files.
 */
const MOST_RSS_BYTES = 400e6;
const COMMAND = resolve(import.meta.dirname, "../../bin/tl.js");

interface Choice {
  readonly formats: readonly string[];
  readonly command: string;
}

function outcomeOf(run: MeasuredRun): { readonly text: string; readonly facts: unknown } {
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

function problemOf(run: MeasuredRun, facts: unknown, expected: Expected): string | undefined {
  if (JSON.stringify(facts) !== JSON.stringify(expected)) return `not ${JSON.stringify(expected)}`;
  return run.peakRssBytes > MOST_RSS_BYTES ? "too much memory" : undefined;
}

async function importInput(
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

async function attempt(input: HostileInput, { formats, command }: Choice): Promise<number> {
  const work = mkdtempSync(join(tmpdir(), "rootlift-hostile-"));
  let failed = 0;
  try {
    const { storedBytes, archiveBytes } = writeHostileLayout(join(work, "layout"), input.image);
    for (const format of formats) {
      const run = await importInput(input, format, { work, command });
      const { text, facts } = outcomeOf(run);
      const problem = problemOf(run, facts, input.expected);
      if (problem !== undefined) failed += 1;
      const columns = [
        problem === undefined ? "ok  " : "FAIL",
        input.name.padEnd(64),
        format.padEnd(4),
        `${megabytes(storedBytes)} → ${megabytes(archiveBytes)}`,
        `${run.wallSeconds.toFixed(1)} s`.padStart(8),
        `${megabytes(run.peakRssBytes)} peak`,
        ` ${text}${problem === undefined ? "" : ` (${problem})`}`,
      ];
      process.stdout.write(`${columns.join("  ")}\n`);
    }
  } finally {
    spawnSync("rm", ["-rf", "--", work]);
  }
  return failed;
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)} MB`.padStart(8);
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      format: { type: "string", multiple: true, default: ["dir", "ext4"] },
      only: { type: "string", default: "" },
      scale: { type: "string", default: "1" },
      command: { type: "string", default: COMMAND },
    },
  });
  const inputs = hostileInputs(Number(values.scale)).filter(({ name }) =>
    name.includes(values.only),
  );
  let failed = 0;
  for (const input of inputs) {
    failed += await attempt(input, { formats: values.format, command: values.command });
  }
  const total = inputs.length * values.format.length;
  process.stdout.write(`${total - failed} passed, ${failed} failed\n`);
  return failed === 0 && total > 0 ? 0 : 1;
}

process.exitCode = await main();
