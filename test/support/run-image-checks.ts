import { spawnSync } from "node:child_process";
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import fc from "fast-check";
import { stringifyJson } from "./case-kit/case-json.ts";
import { checkRandomImage } from "./check-random-image.ts";
import { checkAfterLife } from "./ext4/after-life.ts";
import { EXTREMES } from "./ext4/extremes.ts";
import { randomImage } from "./ext4/random-image.ts";
import { EROFS, EXT4, type ImageKind } from "./image-kinds.ts";

/**
 * npm run test:ext4 -- [--runs 300] [--seed S] [--only random|extremes]     npm run test:erofs: the same
 *
 * The disk images that are too many or too large for `npm test`: random images, each checked by e2fsck or fsck.erofs, mounted,
 * and compared with the directory of the same import; the extremes; and the life of an ext4 image after it was made. Run as
 * root, with 10 GB free in the directory for temporary files.
 */
const AFTER_LIFE = { newFiles: 100_000, wideNames: 20_000 };

let [passed, failed] = [0, 0];

async function attempt(
  name: string,
  check: (work: string) => Promise<readonly string[]>,
): Promise<boolean> {
  const work = mkdtempSync(join(tmpdir(), "rootlift-ext4-"));
  const startedMs = performance.now();
  const problems = await check(work)
    .catch((error: unknown) => [String(error)])
    // Names and depths that only rm copes with.
    .finally(() => spawnSync("rm", ["-rf", "--", work]));
  const took = `${((performance.now() - startedMs) / 1000).toFixed(1)} s`;
  if (problems.length === 0) passed += 1;
  else failed += 1;
  if (problems.length > 0)
    process.stdout.write(`FAIL ${name}:\n${problems.slice(0, 20).join("\n")}\n`);
  else if (!name.startsWith("random image")) process.stdout.write(`ok ${name} (${took})\n`);
  return problems.length === 0;
}

/** Without shrinking: an image that failed is kept as a case file, and one that takes seconds is not shrunk in minutes. */
async function randomImages(kind: ImageKind, runs: number, seed: number): Promise<void> {
  process.stdout.write(`${runs} random images, --seed ${seed}\n`);
  for (const [run, image] of fc.sample(randomImage, { numRuns: runs, seed }).entries()) {
    const name = `random image ${run} of seed ${seed}, --disk_mb ${image.diskMb}`;
    if (await attempt(name, (work) => checkRandomImage(image, kind, work))) continue;
    const kept = join(tmpdir(), `rootlift-random-${seed}-${run}.json`);
    writeFileSync(
      kept,
      stringifyJson({ cases: [{ name, ...image.fields, expect: { tree: {}, open: true } }] }),
    );
    process.stdout.write(`kept as ${kept}\n`);
  }
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      format: { type: "string" },
      runs: { type: "string" },
      seed: { type: "string" },
      only: { type: "string" },
    },
  });
  const kind = values.format === "erofs" ? EROFS : EXT4;
  const seed = Number(values.seed ?? Date.now() % 2 ** 31);
  if (values.only !== "extremes") await randomImages(kind, Number(values.runs ?? 300), seed);
  if (values.only !== "random") {
    for (const { name, check } of EXTREMES) await attempt(name, (work) => check(work, kind));
  }
  if (values.only !== "random" && kind === EXT4) {
    await attempt(`${AFTER_LIFE.newFiles} files made in an image, which is then grown`, (work) =>
      checkAfterLife(work, AFTER_LIFE),
    );
  }
  process.stdout.write(`${passed} passed, ${failed} failed\n`);
  process.exitCode = failed > 0 ? 1 : 0;
}

await main();
