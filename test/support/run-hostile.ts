import { spawnSync } from "node:child_process";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { importHostile, outcomeOf, problemOf } from "./hostile/import-hostile.ts";
import { hostileInputs, type HostileInput } from "./hostile/hostile-inputs.ts";
import { writeHostileLayout } from "./hostile/hostile-layout.ts";

/**
 * npm run test:hostile -- [--format dir|ext4|tar] [--only TEXT] [--scale 1] [--command PATH]
 *
 * Imports hostile images with the real command line, each in a process of its own: the right tree or the right refusal,
 * never more than 400 MB of memory. A line an input; last `N passed, N failed`. As root, with 20 GB free in the directory
 * for temporary files.
 */
const COMMAND = resolve(import.meta.dirname, "../../bin/tl.js");

interface Choice {
  readonly formats: readonly string[];
  readonly command: string;
}

async function attempt(input: HostileInput, { formats, command }: Choice): Promise<number> {
  const work = mkdtempSync(join(tmpdir(), "rootlift-hostile-"));
  let failed = 0;
  try {
    const { storedBytes, archiveBytes } = writeHostileLayout(join(work, "layout"), input.image);
    for (const format of formats) {
      const run = await importHostile(input, format, { work, command });
      const { text, facts } = outcomeOf(run);
      const problem = problemOf(run, facts, input.expected);
      if (problem !== undefined) failed += 1;
      const columns = [
        problem === undefined ? "ok  " : "FAIL",
        input.name.padEnd(64),
        format.padEnd(4),
        `${megabytes(storedBytes)} → ${megabytes(archiveBytes)}`,
        `${run.wallSeconds.toFixed(1)} s`.padStart(8),
        `${run.processorSeconds.toFixed(1)} s of a processor`.padStart(23),
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
