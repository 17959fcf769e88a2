import fc from "fast-check";
import { expect, test } from "vitest";
import { stringifyJson } from "../support/case-kit/case-json.ts";
import { checkRandomErofs } from "../support/erofs/check-random-image.ts";
import {
  checkEmptyFiles,
  checkInterleavedFiles,
  checkSparseFile,
  checkWideDirectory,
} from "../support/ext4/extremes.ts";
import { randomImage } from "../support/ext4/random-image.ts";
import { EROFS } from "../support/image-kinds.ts";
import { scratchDirectory } from "../support/scratch.ts";

/** `npm run test:erofs` does the same with more and larger images. */
const RUNS = 2;
const SEED = Date.now() % 2 ** 31;

test.each(
  fc.sample(randomImage, { numRuns: RUNS, seed: SEED }).map((image, run) => [run, image] as const),
)(
  `random image %i of seed ${SEED} is sound, and mounted it is the tree of the directory sink`,
  async (_run, image) => {
    const problems = await checkRandomErofs(image, scratchDirectory());
    if (problems.length > 0) process.stderr.write(`${stringifyJson(image.fields)}\n`);
    expect(problems).toEqual([]);
  },
);

test("the kernel finds every name of a directory of many", async () => {
  expect(await checkWideDirectory(scratchDirectory(), EROFS, 12_000)).toEqual([]);
});

test("many empty files are sound", async () => {
  const size = { directories: 20, files: 100 };
  expect(await checkEmptyFiles(scratchDirectory(), EROFS, size)).toEqual([]);
});

test("a file with holes takes the room of its data", async () => {
  expect(await checkSparseFile(scratchDirectory(), EROFS, 6)).toEqual([]);
});

test("files of two layers that lie between each other's runs are whole", async () => {
  const size = { sizeMib: 40, leastPieces: 8 };
  expect(await checkInterleavedFiles(scratchDirectory(), EROFS, size)).toEqual([]);
});
