import { randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import fc from "fast-check";
import { expect, test } from "vitest";
import { checkRecordedBytes } from "../../src/image-reader/check-recorded-bytes.ts";
import { openImageFile } from "../../src/image-reader/image-file.ts";
import { scratchDirectory } from "../support/scratch.ts";

const BLOCK = 4096;
const BLOCKS = 1500;

/** Ranges by the blocks before each and in it. */
const ranges = fc.array(
  fc.tuple(
    fc.oneof(fc.constant(0), fc.nat(40)),
    fc.oneof(fc.constant(1), fc.integer({ min: 1, max: 600 })),
  ),
  { minLength: 1, maxLength: 12 },
);

test("each range is compared, whatever its neighbours are, and none that goes on behind the file", async () => {
  const path = join(scratchDirectory(), "image");
  const bytes = randomBytes(BLOCKS * BLOCK);
  writeFileSync(path, bytes);
  const file = await openImageFile(path);
  await fc.assert(
    fc.asyncProperty(ranges, fc.array(fc.nat(11)), async (shape, damaged) => {
      let next = 0;
      const all = shape.map(([gap, blocks], index) => {
        const first = next + gap;
        next = first + blocks;
        const checksum = crc32(bytes.subarray(first * BLOCK, next * BLOCK));
        const isWrong = damaged.includes(index);
        return { first, blocks, end: next, checksum: isWrong ? checksum ^ 1 : checksum, isWrong };
      });
      const found: number[] = [];
      const checkedBytes = await checkRecordedBytes(
        file,
        {
          blockBytes: BLOCK,
          firstBlocks: Uint32Array.from(all, ({ first }) => first),
          blockCounts: Uint32Array.from(all, ({ blocks }) => blocks),
          checksums: Uint32Array.from(all, ({ checksum }) => checksum),
        },
        { breathe: () => Promise.resolve(), onMismatch: (first) => found.push(first) },
      );
      const inside = all.filter(({ end }) => end <= BLOCKS);
      expect(checkedBytes).toBe(inside.reduce((sum, { blocks }) => sum + blocks * BLOCK, 0));
      const wrong = all.filter(({ end, isWrong }) => isWrong || end > BLOCKS);
      expect(found).toEqual(wrong.map(({ first }) => first));
    }),
    { numRuns: 60 },
  );
  await file.close();
});
