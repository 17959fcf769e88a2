import { spawnSync } from "node:child_process";
import { globSync, mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadCases, type LayerCase } from "./case-kit/case-json.ts";
import { runCase } from "./case-kit/run-case.ts";
import { CALLS_A_FILE, callsPerFile } from "./strace/count-calls.ts";
import { tracedImports, type TracedRun } from "./strace/traced-import.ts";
import { tracePull } from "./strace/traced-pull.ts";

/**
 * npm run test:strace -- [FILE…]
 *
 * Every layer case (default: all of testdata) into a directory and into an ext4 image, with the built command line under
 * strace: no path outside the store, the output, the image and what Node reads anyway may be touched
 * (`strace/allowed-paths.ts`), nothing outside the first two written, no name of a layer followed. Then a pull with a login,
 * and the system calls that a file costs. Run as root.
 */
const LANES = 2;
const TESTDATA = join(import.meta.dirname, "../../testdata");

let failed = 0;

function report(name: string, problems: readonly string[]): void {
  if (problems.length === 0) return;
  failed += 1;
  process.stdout.write(`FAIL ${name}: ${problems.slice(0, 8).join("; ")}\n`);
}

async function checkCases(cases: readonly LayerCase[], sink: "directory" | "ext4"): Promise<void> {
  const queue = [...cases];
  let [calls, imports] = [0, 0];
  async function lane(): Promise<void> {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      const violations: string[] = [];
      const tell = (run: TracedRun): void => {
        violations.push(...run.violations);
        calls += run.calls;
        imports += 1;
      };
      const problems = await runCase(next, sink, tracedImports(tell)).catch((error: unknown) => [
        `cannot be run: ${String(error)}`,
      ]);
      report(`${sink} ${next.file} ${next.name}`, [...violations, ...problems]);
    }
  }
  await Promise.all(Array.from({ length: LANES }, lane));
  process.stdout.write(
    `${sink}: ${cases.length} cases, ${imports} imports, ${calls} calls with a path\n`,
  );
}

async function inScratch<Result>(use: (work: string) => Promise<Result>): Promise<Result> {
  const work = mkdtempSync(join(tmpdir(), "rootlift-strace-"));
  try {
    return await use(work);
  } finally {
    spawnSync("rm", ["-rf", "--", work]);
  }
}

async function main(): Promise<void> {
  const given = process.argv.slice(2);
  const files =
    given.length > 0
      ? given
      : globSync(["corpus/layers/*.json", "cases/*.json"].map((glob) => join(TESTDATA, glob)));
  const cases = files.toSorted().flatMap(loadCases);
  for (const sink of ["directory", "ext4"] as const) await checkCases(cases, sink);
  const pull = await inScratch(tracePull);
  report("a pull", pull.exitCode === 0 ? pull.violations : [pull.stderr]);
  process.stdout.write(`a pull with a login: ${pull.calls} calls with a path\n`);
  for (const format of ["dir", "ext4"] as const) {
    const calls = await inScratch((work) => callsPerFile(format, work, [1000, 5000]));
    const most = CALLS_A_FILE[format];
    process.stdout.write(`${format}: ${calls.toFixed(2)} system calls a file, at most ${most}\n`);
    report(`${format} system calls`, calls > most ? [`${calls} a file, over ${most}`] : []);
  }
  process.stdout.write(`${failed} failed\n`);
  process.exitCode = failed > 0 ? 1 : 0;
}

await main();
