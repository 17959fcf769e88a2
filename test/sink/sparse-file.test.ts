import { closeSync, openSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import fc from "fast-check";
import { expect, test } from "vitest";
import { ChecksumRanges } from "../../src/sink/checksum-ranges.ts";
import { SparseFile } from "../../src/sink/sparse-file.ts";
import { joinPieces } from "../support/memory-reader.ts";
import { scratchDirectory } from "../support/scratch.ts";

const BLOCK = 512;
const piece = fc.oneof(
  fc.integer({ min: 1, max: 3000 }),
  fc.integer({ min: 60_000, max: 400_000 }),
  fc
    .record({ length: fc.integer({ min: 1, max: 1 << 20 }), byte: fc.constantFrom(0, 1) })
    .map(({ length, byte }) => Buffer.alloc(length, byte)),
);

test("pieces are the file's bytes, and the ranges cover all of it but zeros", () => {
  const place = scratchDirectory();
  let run = 0;
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 8 }), (pieces) => {
      const length = joinPieces(pieces).length;
      const padded = [...pieces, Buffer.alloc((BLOCK - (length % BLOCK)) % BLOCK)];
      const path = join(place, String((run += 1)));
      const fd = openSync(path, "wx");
      const ranges = new ChecksumRanges(BLOCK);
      const file = new SparseFile(fd, (bytes, position) => ranges.add(bytes, position));
      for (const part of padded) file.write(part);
      file.finish();
      closeSync(fd);
      const wanted = joinPieces(padded);
      const bytes = readFileSync(path);
      expect(bytes.equals(wanted)).toBe(true);
      expect(file.sizeBytes).toBe(wanted.length);

      const { firstBlocks, blockCounts, checksums } = ranges.finish();
      let covered = 0;
      for (const [index, first] of firstBlocks.entries()) {
        const start = first * BLOCK;
        const end = start + (blockCounts[index] ?? 0) * BLOCK;
        expect(Number.isInteger(first) && start >= covered && end > start).toBe(true);
        expect(crc32(bytes.subarray(start, end))).toBe(checksums[index]);
        expect(bytes.subarray(covered, start).every((byte) => byte === 0)).toBe(true);
        covered = end;
      }
      expect(bytes.subarray(covered).every((byte) => byte === 0)).toBe(true);
    }),
    { numRuns: 30 },
  );
});

test("long zeros take no room, whether they come as bytes or as a number", () => {
  const path = join(scratchDirectory(), "file");
  const fd = openSync(path, "wx");
  const file = new SparseFile(fd);
  for (const part of [
    Buffer.from("a"),
    2 ** 40,
    Buffer.alloc(8 << 20),
    Buffer.from("b"),
    2 ** 30,
  ]) {
    file.write(part);
  }
  file.finish();
  closeSync(fd);
  const { size, blocks } = statSync(path);
  expect(size).toBe(2 + 2 ** 40 + (8 << 20) + 2 ** 30);
  expect(blocks * BLOCK).toBeLessThan(200_000);
});
