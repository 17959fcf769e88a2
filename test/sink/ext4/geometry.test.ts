import { expect, test } from "vitest";
import {
  blocksOfGroup,
  ext4Geometry,
  hasBackup,
  journalBlocksOf,
  LARGEST_DISK_MIB,
  usableBlocks,
  usableRanges,
} from "../../../src/sink/ext4/geometry.ts";
import { importErrorOf } from "../../support/import-error.ts";

const MIB = 2 ** 20;

test("a disk of 10 GiB has 80 groups, two blocks of descriptors and seven backups", () => {
  const geometry = ext4Geometry(10_240 * MIB);
  expect(geometry).toMatchObject({ blocks: 2_621_440, groups: 80, descriptorBlocks: 2 });
  expect(geometry.reserved).toEqual(
    [0, 1, 3, 5, 7, 9, 25, 27, 49].map((group) => ({ first: group * 32_768, blocks: 131 })),
  );
});

test("a last group that is too short for itself is left out, and the file keeps its size", () => {
  // Group 5 would have a backup: 1 + 1 + 50 blocks are the fewest.
  const blocks = 5 * 32_768;
  expect(ext4Geometry((blocks + 51) * 4096)).toMatchObject({ blocks, groups: 5 });
  expect(ext4Geometry((blocks + 52) * 4096)).toMatchObject({ blocks: blocks + 52, groups: 6 });
  expect(ext4Geometry((blocks + 51) * 4096).diskBytes).toBe((blocks + 51) * 4096);
  // Group 4 has none.
  expect(ext4Geometry((4 * 32_768 + 50) * 4096)).toMatchObject({ groups: 5 });
  expect(ext4Geometry((4 * 32_768 + 49) * 4096)).toMatchObject({ groups: 4 });
});

test("the groups 0, 1 and the powers of 3, 5 and 7 have backups", () => {
  const groups = Array.from({ length: 130 }, (_, group) => group).filter(hasBackup);
  expect(groups).toEqual([0, 1, 3, 5, 7, 9, 25, 27, 49, 81, 125]);
});

test("usable ranges are all blocks but the reserved ones, from any block on", () => {
  const geometry = ext4Geometry(300 * MIB);
  expect(usableRanges(geometry)).toEqual([
    { first: 130, blocks: 32_638 },
    { first: 32_898, blocks: 43_902 },
  ]);
  expect(usableRanges(geometry, 32_767)).toEqual([
    { first: 32_767, blocks: 1 },
    { first: 32_898, blocks: 43_902 },
  ]);
  expect(usableRanges(geometry, 32_768, 32_898)).toEqual([]);
  expect(usableRanges(geometry, 0, 131)).toEqual([{ first: 130, blocks: 1 }]);
  expect(usableBlocks(geometry)).toBe(76_800 - 2 * 130);
  expect(blocksOfGroup(geometry, 2)).toBe(76_800 - 2 * 32_768);
});

test.each([0, 0.5, LARGEST_DISK_MIB + 1, Number.NaN, 1 + 1 / 1024])(
  "a disk of %s MiB is refused",
  (mib) => {
    const error = importErrorOf(() => ext4Geometry(mib * MIB));
    expect(error.code).toBe("ERR_OPTION_INVALID");
    expect(error.hint).toBe("Give --disk_mb a whole number from 1 to 16777216.");
  },
);

test("16 TiB have 2^32 blocks", () => {
  expect(ext4Geometry(LARGEST_DISK_MIB * MIB)).toMatchObject({ blocks: 2 ** 32, groups: 2 ** 17 });
});

test.each([
  [7, 0],
  [8, 1024],
  [127, 1024],
  [128, 4096],
  [1023, 4096],
  [1024, 8192],
  [2048, 16_384],
  [16_383, 16_384],
  [16_384, 32_768],
  [32_768, 65_536],
  [65_536, 131_072],
  [131_072, 262_144],
])("a disk of %i MiB has a journal of %i blocks", (mib, blocks) => {
  expect(journalBlocksOf(mib * 256)).toBe(blocks);
});
