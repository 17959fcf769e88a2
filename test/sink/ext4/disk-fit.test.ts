import { expect, test } from "vitest";
import { diskTooSmall, missingBlocks, smallestDiskMib } from "../../../src/sink/ext4/disk-fit.ts";
import {
  ext4Geometry,
  LARGEST_DISK_MIB,
  type BlockRange,
} from "../../../src/sink/ext4/geometry.ts";
import { importErrorOf } from "../../support/import-error.ts";

const MIB = 2 ** 20;
const NEEDS = { bodyBlocks: 100_000, contentBlocks: 500, inodes: 20_000 };

/** Free runs of so many blocks. */
function pieces(blocks: number, count: number): readonly BlockRange[] {
  return Array.from({ length: count }, (_, at) => ({ first: 200 + 20 * at, blocks }));
}

test("the smallest disk holds what is asked for, and one MiB less does not", () => {
  const mib = smallestDiskMib(NEEDS);
  // 100,500 blocks are 393 MiB; journal 16, inode tables 5, reserved blocks 1.5.
  expect(mib).toBeGreaterThan(393 + 22);
  expect(mib).toBeLessThan(393 + 25);
  expect(smallestDiskMib({ bodyBlocks: 0, contentBlocks: 5, inodes: 11 })).toBe(1);
});

test("more inodes than a group can have make the disk larger", () => {
  // 32,768 inodes a group.
  const inodes = 1_000_000;
  expect(smallestDiskMib({ bodyBlocks: 0, contentBlocks: 0, inodes })).toBeGreaterThan(30 * 128);
});

test("the error of a disk that is too small says what is enough", () => {
  const error = diskTooSmall(ext4Geometry(64 * MIB), NEEDS);
  const needed = smallestDiskMib(NEEDS);
  expect(error.code).toBe("ERR_DISK_TOO_SMALL");
  expect(error.message).toBe(
    `the root filesystem needs a disk of ${needed} MiB and was given 64 MiB`,
  );
  expect(error.hint).toBe(`Give it at least --disk_mb ${needed}.`);
  expect(error.details).toEqual({ diskMib: 64, neededMib: needed });
});

test("no disk is large enough for more than 16 TiB", () => {
  const needs = { ...NEEDS, bodyBlocks: LARGEST_DISK_MIB * 256 };
  expect(importErrorOf(() => smallestDiskMib(needs))).toMatchObject({
    code: "ERR_LIMIT_EXCEEDED",
    message: "no ext4 disk is large enough for the image",
  });
});

test("a table needs one piece, everything else does not", () => {
  const geometry = ext4Geometry(4 * MIB);
  const needs = { tableBlocks: 8, contentBlocks: 20 };
  expect(missingBlocks(geometry, pieces(10, 3), needs)).toBe(0);
  expect(missingBlocks(geometry, pieces(7, 10), needs)).toBe(8);
  expect(missingBlocks(geometry, pieces(10, 2), needs)).toBe(10);
});

test("the size that is named is enough even where a smaller disk has a smaller journal", () => {
  const needs = { bodyBlocks: 31_000, contentBlocks: 5, inodes: 100 };
  expect(smallestDiskMib(needs)).toBe(126);
  expect(diskTooSmall(ext4Geometry(128 * MIB), needs).details["neededMib"]).toBe(139);
});
