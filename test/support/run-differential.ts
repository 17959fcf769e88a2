import { spawnSync } from "node:child_process";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { openJail } from "./differential/jail.ts";
import { checkCase, checkRandom, differentialCases } from "./differential/run-checks.ts";

/**
 * npm run test:differential -- [--runs 300] [--seed S]
 *
 * The layer cases and random hostile archives, imported by us and unpacked by umoci, GNU tar and bsdtar, in a jail in which
 * they can write nothing else. Whatever they do otherwise must be in a table of ARCHITECTURE.md, "Where the peers disagree"
 * (`differential/deviations.ts` has the cases of each row), and what is in the tables must happen. Where umoci makes the same
 * tree, our ext4 image, mounted, is compared with what `mkfs.ext4 -d` makes of umoci's. Run as root.
 */
const { values } = parseArgs({
  options: { runs: { type: "string" }, seed: { type: "string" } },
});
const runs = Number(values.runs ?? 300);
const seed = Number(values.seed ?? Math.trunc(Math.random() * 2 ** 31));
const base = mkdtempSync(join(tmpdir(), "rootlift-differential-"));
let failed = 0;

function report(problems: readonly string[]): void {
  failed += problems.length;
  for (const problem of problems) process.stdout.write(`FAIL ${problem}\n`);
}

const jail = await openJail(base);
const place = { jail, work: join(base, "case"), images: true };
try {
  const cases = differentialCases();
  for (const layerCase of cases) report(await checkCase(layerCase, place));
  process.stdout.write(`${cases.length} cases\n`);
  report(await checkRandom(runs, seed, place));
  process.stdout.write(`${runs} generated archives, --seed ${seed}\n${failed} failed\n`);
} finally {
  await jail.close();
  spawnSync("rm", ["-rf", "--", base]);
}
process.exitCode = failed > 0 ? 1 : 0;
