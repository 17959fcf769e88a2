import { closeSync, ftruncateSync, openSync, readFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import fc from "fast-check";
import { expect, test } from "vitest";
import type { ImportError } from "../../src/errors.ts";
import type { BlockMoves } from "../../src/sink/block-moves.ts";
import { BLOCK_BYTES } from "../../src/sink/block-placement.ts";
import { SealedImageFile } from "../../src/sink/sealed-image-file.ts";
import { RangeColumns, type ChecksummedRanges } from "../../src/sink/written-ranges.ts";
import { importErrorOf } from "../support/import-error.ts";
import { scratchDirectory } from "../support/scratch.ts";

const BLOCKS = 400;
const SUPERBLOCK = { position: 1024, bytes: 128 };

interface Range {
  readonly first: number;
  readonly blocks: number;
}

/** Ranges with gaps in between, each with the byte that its blocks are filled with. */
const BODIES = fc
  .array(fc.record({ gap: fc.nat(3), blocks: fc.integer({ min: 1, max: 20 }) }), { maxLength: 12 })
  .map((parts) => rangesOf(parts, 5));
const RELEASED = fc
  .array(
    fc.record({ gap: fc.integer({ min: 1, max: 12 }), blocks: fc.integer({ min: 1, max: 30 }) }),
    {
      maxLength: 12,
    },
  )
  .map((parts) => rangesOf(parts, 2));

function rangesOf(parts: readonly { gap: number; blocks: number }[], start: number): Range[] {
  let next = start;
  return parts.map(({ gap, blocks }) => {
    const first = next + gap;
    next = first + blocks;
    return { first, blocks };
  });
}

function checksummed(image: Buffer, ranges: readonly Range[]): ChecksummedRanges {
  const columns = new RangeColumns();
  for (const { first, blocks } of ranges) {
    const bytes = image.subarray(first * BLOCK_BYTES, (first + blocks) * BLOCK_BYTES);
    columns.add(first, blocks, crc32(bytes));
  }
  return columns.sorted();
}

/** Blocks of bodies are filled with their number, from 1 on. */
function imageWith(bodies: readonly Range[]): Buffer {
  const image = Buffer.alloc(BLOCKS * BLOCK_BYTES);
  for (const { first, blocks } of bodies) {
    for (let block = first; block < first + blocks; block++) {
      image.fill((block % 255) + 1, block * BLOCK_BYTES, (block + 1) * BLOCK_BYTES);
    }
  }
  return image;
}

function withFile<T>(image: Buffer, action: (fd: number, imagePath: string) => T): T {
  const imagePath = join(scratchDirectory(), "image");
  const fd = openSync(imagePath, "wx+");
  try {
    ftruncateSync(fd, image.length);
    writeSync(fd, image, 0, image.length, 0);
    return action(fd, imagePath);
  } finally {
    closeSync(fd);
  }
}

test.each([true, false])(
  "released blocks read as zeros, and what is left has its checksums (holes can be punched: %s)",
  (canPunch) => {
    fc.assert(
      fc.property(BODIES, RELEASED, (bodies, released) => {
        const image = imageWith(bodies);
        const expected = Buffer.from(image);
        withFile(image, (fd, imagePath) => {
          const file = new SealedImageFile({
            fd,
            imagePath,
            bodies: checksummed(image, bodies),
            canPunch,
            superblock: SUPERBLOCK,
          });
          for (const { first, blocks } of released) {
            file.release(first, blocks);
            expected.fill(0, first * BLOCK_BYTES, (first + blocks) * BLOCK_BYTES);
          }
          file.write(Buffer.alloc(SUPERBLOCK.bytes, 0xee), SUPERBLOCK.position);
          file.write(Buffer.alloc(2 * BLOCK_BYTES, 0xdd), 3 * BLOCK_BYTES);
          file.write(Buffer.alloc(100, 0xcc), 4 * BLOCK_BYTES);
          const checksums = file.checksums();
          expected.fill(0xdd, 3 * BLOCK_BYTES, 5 * BLOCK_BYTES);
          expected.fill(0xcc, 4 * BLOCK_BYTES, 4 * BLOCK_BYTES + 100);
          const found = readFileSync(imagePath);
          expect(found.equals(expected)).toBe(true);
          found.fill(0xee, SUPERBLOCK.position, SUPERBLOCK.position + SUPERBLOCK.bytes);
          const covered = [...checksums.firstBlocks].map((first, at) => ({
            first,
            blocks: checksums.blockCounts[at] ?? 0,
          }));
          expect(checksums).toEqual(checksummed(found, covered));
          const inRanges = new Set(covered.flatMap(blocksOf));
          const written = blocksOf({ first: 0, blocks: BLOCKS }).filter(
            (block) => found.readUInt8(block * BLOCK_BYTES + SUPERBLOCK.position) !== 0,
          );
          expect([...inRanges]).toEqual(written);
        });
      }),
      { numRuns: 40 },
    );
  },
);

function blocksOf({ first, blocks }: Range): number[] {
  return Array.from({ length: blocks }, (_, offset) => first + offset);
}

test("the superblock is kept back, and the file has no magic number", () => {
  withFile(Buffer.alloc(BLOCKS * BLOCK_BYTES), (fd, imagePath) => {
    const bodies = new RangeColumns().sorted();
    const file = new SealedImageFile({
      fd,
      imagePath,
      bodies,
      canPunch: false,
      superblock: SUPERBLOCK,
    });
    expect(() => file.superblock()).toThrow(/no superblock/);
    const superblock = Buffer.alloc(SUPERBLOCK.bytes, 1);
    file.write(superblock, SUPERBLOCK.position);
    superblock.fill(2);
    expect(file.superblock().every((byte) => byte === 1)).toBe(true);
    expect(readFileSync(imagePath).every((byte) => byte === 0)).toBe(true);
  });
});

/** What is said of a step on an image of one body, one byte of which is no longer what was placed. */
function errorOnDamagedBody(
  body: Range,
  damagedBlock: number,
  act: (file: SealedImageFile) => void,
): ImportError {
  const image = imageWith([body]);
  const bodies = checksummed(image, [body]);
  image[damagedBlock * BLOCK_BYTES] = 0;
  return withFile(image, (fd, imagePath) => {
    const options = { fd, imagePath, bodies, canPunch: false, superblock: SUPERBLOCK };
    const file = new SealedImageFile(options);
    return importErrorOf(() => act(file));
  });
}

test("bodies that read back as something else are not vouched for", () => {
  const body = { first: 10, blocks: 4 };
  expect(errorOnDamagedBody(body, 12, (file) => file.release(11, 1))).toMatchObject({
    code: "ERR_OUTPUT_IO",
    details: { offsetBytes: 10 * BLOCK_BYTES },
  });
});

/** Moves of what lies from block `end` on, into the gap before it. */
function movesInto(gap: Range, from: readonly Range[], end: number): BlockMoves {
  const starts = from.map((_, at) =>
    from.slice(0, at).reduce((sum, { blocks }) => sum + blocks, gap.first),
  );
  return {
    from: Uint32Array.from(from.map(({ first }) => first)),
    to: Uint32Array.from(starts),
    blocks: Uint32Array.from(from.map(({ blocks }) => blocks)),
    end,
  };
}

test("what is moved lies at its new place with checksums, and the file ends behind it", () => {
  const bodies = [
    { first: 10, blocks: 20 },
    { first: 100, blocks: 200 },
    { first: 310, blocks: 5 },
  ];
  const image = imageWith(bodies);
  withFile(image, (fd, imagePath) => {
    const file = new SealedImageFile({
      fd,
      imagePath,
      bodies: checksummed(image, bodies),
      canPunch: true,
      superblock: SUPERBLOCK,
    });
    file.release(30, 70);
    file.release(110, 2);
    file.release(300, 10);
    const from = [
      { first: 250, blocks: 50 },
      { first: 310, blocks: 5 },
    ];
    const looks: number[] = [];
    file.move(movesInto({ first: 30, blocks: 70 }, from, 250), () => looks.push(0));
    expect(looks.length).toBeGreaterThan(2);
    file.write(Buffer.alloc(SUPERBLOCK.bytes, 0xee), SUPERBLOCK.position);
    const found = readFileSync(imagePath);
    const wanted = Buffer.from(image.subarray(0, 250 * BLOCK_BYTES));
    image.copy(wanted, 30 * BLOCK_BYTES, 250 * BLOCK_BYTES, 300 * BLOCK_BYTES);
    image.copy(wanted, 80 * BLOCK_BYTES, 310 * BLOCK_BYTES, 315 * BLOCK_BYTES);
    wanted.fill(0, 110 * BLOCK_BYTES, 112 * BLOCK_BYTES);
    expect(found.equals(wanted)).toBe(true);
    found.fill(0xee, SUPERBLOCK.position, SUPERBLOCK.position + SUPERBLOCK.bytes);
    const { firstBlocks, blockCounts, checksums } = file.checksums();
    const covered = [...firstBlocks].flatMap((first, at) => {
      const blocks = blockCounts[at] ?? 0;
      const bytes = found.subarray(first * BLOCK_BYTES, (first + blocks) * BLOCK_BYTES);
      expect(crc32(bytes)).toBe(checksums[at]);
      return blocksOf({ first, blocks });
    });
    const used = blocksOf({ first: 0, blocks: 250 }).filter(
      (block) => found.readUInt8(block * BLOCK_BYTES + SUPERBLOCK.position) !== 0,
    );
    expect(covered).toEqual(used);
  });
});

test("what is moved must be what was written", () => {
  const body = { first: 100, blocks: 20 };
  const moves = movesInto({ first: 1, blocks: 99 }, [{ first: 110, blocks: 10 }], 110);
  const error = errorOnDamagedBody(body, 119, (file) => file.move(moves, () => undefined));
  expect(error.code).toBe("ERR_OUTPUT_IO");
});

test("what an earlier attempt wrote is erased, with holes or with zeros", () => {
  for (const canPunch of [true, false]) {
    const image = imageWith([{ first: 20, blocks: 300 }]);
    withFile(image, (fd, imagePath) => {
      const bodies = new RangeColumns().sorted();
      const file = new SealedImageFile({ fd, imagePath, bodies, canPunch, superblock: SUPERBLOCK });
      file.erase({ first: 20, blocks: 300 });
      expect(readFileSync(imagePath).equals(Buffer.alloc(image.length))).toBe(true);
    });
  }
});
