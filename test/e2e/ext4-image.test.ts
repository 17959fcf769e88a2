import fc from "fast-check";
import { expect, test } from "vitest";
import { stringifyJson } from "../support/case-kit/case-json.ts";
import { checkAfterLife } from "../support/ext4/after-life.ts";
import { checkRandomImage } from "../support/ext4/check-random-image.ts";
import {
  checkEmptyFiles,
  checkInterleavedFiles,
  checkSparseFile,
  checkWideDirectory,
} from "../support/ext4/extremes.ts";
import { randomImage } from "../support/ext4/random-image.ts";
import { EXT4 } from "../support/image-kinds.ts";
import { scratchDirectory } from "../support/scratch.ts";

/** `npm run test:ext4` does the same with more and larger images. */
const RUNS = 8;
const SEED = Date.now() % 2 ** 31;

test.each(
  fc.sample(randomImage, { numRuns: RUNS, seed: SEED }).map((image, run) => [run, image] as const),
)(
  `random image %i of seed ${SEED} is clean, and mounted it is the tree of the directory sink`,
  async (_run, image) => {
    const problems = await checkRandomImage(image, scratchDirectory());
    if (problems.length > 0) process.stderr.write(`${stringifyJson(image.fields)}\n`);
    expect(problems).toEqual([]);
  },
);

test("a directory of many names is hashed, and the kernel finds every name", async () => {
  expect(await checkWideDirectory(scratchDirectory(), EXT4, 12_000)).toEqual([]);
});

test("many empty files are clean and take no blocks", async () => {
  expect(await checkEmptyFiles(scratchDirectory(), EXT4, { directories: 20, files: 400 })).toEqual(
    [],
  );
});

test("a file with holes takes the room of its data", async () => {
  expect(await checkSparseFile(scratchDirectory(), EXT4, 6)).toEqual([]);
});

test("files of two layers that lie between each other's runs are whole", async () => {
  const size = { sizeMib: 40, leastPieces: 8 };
  expect(await checkInterleavedFiles(scratchDirectory(), EXT4, size)).toEqual([]);
});

test("an image that was lived in and grown twice stays clean, and keeps its tree", async () => {
  const size = { newFiles: 3000, wideNames: 1500 };
  expect(await checkAfterLife(scratchDirectory(), size)).toEqual([]);
});
