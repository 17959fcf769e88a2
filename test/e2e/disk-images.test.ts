import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { stringifyJson } from "../support/case-kit/case-json.ts";
import { checkRandomImage } from "../support/check-random-image.ts";
import { checkAfterLife } from "../support/ext4/after-life.ts";
import {
  checkEmptyFiles,
  checkInterleavedFiles,
  checkSparseFile,
  checkWideDirectory,
} from "../support/ext4/extremes.ts";
import { randomImage } from "../support/ext4/random-image.ts";
import { EROFS, EXT4 } from "../support/image-kinds.ts";
import { scratchDirectory } from "../support/scratch.ts";

const SEED = Date.now() % 2 ** 31;
/** `npm run test:ext4` and `npm run test:erofs` do the same with more and larger images. */
const KINDS = [
  { kind: EXT4, format: EXT4.format, runs: 8, seed: SEED, filesPerDirectory: 400 },
  { kind: EROFS, format: EROFS.format, runs: 2, seed: SEED + 1, filesPerDirectory: 100 },
];

describe.each(KINDS)("$format", ({ kind, runs, seed, filesPerDirectory }) => {
  const images = fc.sample(randomImage, { numRuns: runs, seed });

  test.each(images.map((image, run) => [run, image] as const))(
    `random image %i of seed ${seed} is sound, and mounted it is the tree of the directory sink`,
    async (_run, image) => {
      const problems = await checkRandomImage(image, kind, scratchDirectory());
      if (problems.length > 0) process.stderr.write(`${stringifyJson(image.fields)}\n`);
      expect(problems).toEqual([]);
    },
  );

  test("the kernel finds every name of a directory of many", async () => {
    expect(await checkWideDirectory(scratchDirectory(), kind, 12_000)).toEqual([]);
  });

  test("many empty files are sound and take no blocks", async () => {
    const size = { directories: 20, files: filesPerDirectory };
    expect(await checkEmptyFiles(scratchDirectory(), kind, size)).toEqual([]);
  });

  test("a file with holes takes the room of its data", async () => {
    expect(await checkSparseFile(scratchDirectory(), kind, 6)).toEqual([]);
  });

  test("files of two layers that lie between each other's runs are whole", async () => {
    const size = { sizeMib: 40, leastPieces: 8 };
    expect(await checkInterleavedFiles(scratchDirectory(), kind, size)).toEqual([]);
  });
});

test("an ext4 image that was lived in and grown twice stays clean, and keeps its tree", async () => {
  const size = { newFiles: 3000, wideNames: 1500 };
  expect(await checkAfterLife(scratchDirectory(), size)).toEqual([]);
});
