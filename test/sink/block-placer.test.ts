import { ftruncateSync, openSync, closeSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import fc from "fast-check";
import { expect, test } from "vitest";
import { BLOCK_BYTES, type BlockPlacement } from "../../src/sink/block-placement.ts";
import { createBlockPlacer } from "../../src/sink/block-placer.ts";
import { firstBodyOf, hasHoles } from "../../src/sink/body-ref.ts";
import { createBodyMap } from "../../src/sink/body-map.ts";
import { bodyRanges } from "../../src/sink/written-ranges.ts";
import { dealRuns, roomOf, type StreamLayout } from "../../src/sink/run-plan.ts";
import type { BodyRef } from "../../src/sink/sink.ts";
import { importErrorOf } from "../support/import-error.ts";
import { scratchDirectory } from "../support/scratch.ts";

const PLAN = 3;
const KIB = 1024;
const ATTRIBUTES = { mode: 0o644, uid: 0, gid: 0, mtimeSeconds: 0, mtimeNanoseconds: 0 };

/** Two ranges, so that a piece of 1 MiB may be cut. */
const LAYOUT: StreamLayout = {
  room: roomOf([
    { first: 3, blocks: 100 },
    { first: 150, blocks: 1800 },
  ]),
};

/** Part of a body: bytes, or the length of a hole. */
type Part = Uint8Array | number;

interface Placed {
  readonly imagePath: string;
  readonly placement: BlockPlacement;
  readonly bodies: readonly BodyRef[];
  readonly written: number;
}

function emptyImage(): string {
  const imagePath = join(scratchDirectory(), "image");
  const fd = openSync(imagePath, "wx");
  ftruncateSync(fd, 8 << 20);
  closeSync(fd);
  return imagePath;
}

function place(
  contents: readonly (readonly Part[])[],
  { chunk = 1 << 20, layout = LAYOUT } = {},
): Placed {
  const imagePath = emptyImage();
  const written = new Uint32Array(new SharedArrayBuffer(4));
  const firstBody = firstBodyOf(PLAN);
  const placer = createBlockPlacer({
    kind: "blocks",
    layer: 0,
    imagePath,
    firstBody,
    layout,
    written,
  });
  try {
    const bodies = contents.map((parts) => {
      placer.begin(sizeOf(parts), ATTRIBUTES);
      for (const part of parts) {
        if (typeof part === "number") placer.skip(part);
        else {
          for (let at = 0; at < part.length; at += chunk)
            placer.write(part.subarray(at, at + chunk));
        }
      }
      return placer.end();
    });
    const placement = placer.finish();
    if (placement.kind !== "blocks") throw new Error("the placement of another placer");
    return { imagePath, placement, bodies, written: written[0] ?? 0 };
  } finally {
    placer.close();
  }
}

function sizeOf(parts: readonly Part[]): number {
  return parts.reduce<number>(
    (sum, part) => sum + (typeof part === "number" ? part : part.length),
    0,
  );
}

function contentOf(parts: readonly Part[]): Buffer {
  return Buffer.concat(parts.map((part) => (typeof part === "number" ? Buffer.alloc(part) : part)));
}

/** What the file that the extents describe would read as. */
function readBack(
  image: Buffer,
  { placement }: Placed,
  { body, size }: { readonly body: BodyRef; readonly size: number },
): Buffer {
  const content = Buffer.alloc(Math.ceil(size / BLOCK_BYTES) * BLOCK_BYTES);
  const bodies = createBodyMap([{ plan: PLAN, layout: LAYOUT, placement }]);
  for (const { logicalBlock, physicalBlock, blocks } of bodies.extentsOf(body, size)) {
    const start = physicalBlock * BLOCK_BYTES;
    image.copy(content, logicalBlock * BLOCK_BYTES, start, start + blocks * BLOCK_BYTES);
  }
  expect(content.subarray(size).equals(Buffer.alloc(content.length - size))).toBe(true);
  return content.subarray(0, size);
}

const PART = fc.oneof(
  fc.integer({ min: 1, max: 150 * KIB }),
  fc
    .record({ bytes: fc.integer({ min: 1, max: 200 * KIB }), fill: fc.nat(2) })
    .map(({ bytes, fill }) =>
      // Zeros that somebody wrote, too.
      new Uint8Array(bytes).fill(fill),
    ),
  fc.integer({ min: 1, max: 3 }).map((blocks) => new Uint8Array(blocks * 64 * KIB)),
);
const CONTENTS = fc.array(fc.array(PART, { minLength: 1, maxLength: 4 }), { maxLength: 4 });

test("bodies read back as they were given, with their holes, and every write has its checksum", () => {
  fc.assert(
    fc.property(CONTENTS, (contents) => {
      const placed = place(contents);
      const image = readFileSync(placed.imagePath);
      for (const [index, parts] of contents.entries()) {
        const body = placed.bodies[index] ?? -1;
        const found = readBack(image, placed, { body, size: sizeOf(parts) });
        expect(found.equals(contentOf(parts))).toBe(true);
      }
      const { placement } = placed;
      const ranges = bodyRanges([{ plan: PLAN, layout: LAYOUT, placement }]);
      let blocks = 0;
      for (const [range, first] of ranges.firstBlocks.entries()) {
        const count = ranges.blockCounts[range] ?? 0;
        const bytes = image.subarray(first * BLOCK_BYTES, (first + count) * BLOCK_BYTES);
        expect(crc32(bytes)).toBe(ranges.checksums[range]);
        blocks += count;
      }
      expect(blocks).toBe(placement.blocks);
      expect(placed.written).toBe(placement.blocks);
    }),
    { numRuns: 40 },
  );
});

test("how the bytes are cut into chunks makes no difference", () => {
  fc.assert(
    fc.property(CONTENTS, fc.integer({ min: 99, max: 100 * KIB }), (contents, chunk) => {
      const whole = place(contents);
      const cut = place(contents, { chunk });
      expect(cut.bodies).toEqual(whole.bodies);
      expect(cut.placement).toEqual(whole.placement);
      expect(readFileSync(cut.imagePath).equals(readFileSync(whole.imagePath))).toBe(true);
    }),
    { numRuns: 20 },
  );
});

test("64 KiB of zeros and more are a hole; less, and zeros across windows, are data", () => {
  const data = Buffer.alloc(64 * KIB, 1);
  const placed = place([
    [data, Buffer.alloc(64 * KIB), data],
    [data, Buffer.alloc(64 * KIB - 1), Buffer.from("x"), data],
    [Buffer.alloc(4 << 20)],
    [(1 << 20) + 103],
  ]);
  expect(placed.bodies.map(hasHoles)).toEqual([true, false, true, true]);
  expect(placed.placement.blocks).toBe(32 + 48);
  expect(statSync(placed.imagePath).blocks * 512).toBeLessThan(400 * KIB);
});

test("a hole keeps the blocks that data shares with it", () => {
  const placed = place([[Buffer.from("a"), 3 * BLOCK_BYTES, Buffer.from("b"), 9 * BLOCK_BYTES]]);
  const [body = -1] = placed.bodies;
  const { sparse } = placed.placement;
  expect([...sparse.segments]).toEqual([0, 1, 3, 1]);
  expect(placed.placement.blocks).toBe(2);
  const parts = [Buffer.from("a"), 3 * BLOCK_BYTES, Buffer.from("b"), 9 * BLOCK_BYTES];
  const found = readBack(readFileSync(placed.imagePath), placed, { body, size: sizeOf(parts) });
  expect(found.equals(contentOf(parts))).toBe(true);
});

test("a dealt stream that outgrows its runs fails; one that is not dealt goes on counting", () => {
  const room = [{ first: 0, blocks: 64 * 32 }];
  const deal = dealRuns(room, [1, 1]);
  if (deal === undefined) throw new Error("room for two layers is dealt");
  const megabyte = Buffer.alloc(1 << 20, 7);
  const contents = Array.from({ length: 9 }, () => [megabyte]);
  const dealt: StreamLayout = { room: roomOf(room), deal: { ...deal, layer: 0 } };
  const error = importErrorOf(() => place(contents, { layout: dealt }));
  expect(error).toMatchObject({ code: "ERR_DISK_TOO_SMALL", details: { layer: 1 } });
  const counted = place(contents, { layout: { room: roomOf([{ first: 0, blocks: 600 }]) } });
  expect(counted.placement.blocks).toBe(9 * 256);
  expect(counted.written).toBe(600);
  expect(counted.placement.checksums).toHaveLength(3);
});

test("a full disk is named as such", () => {
  const imagePath = join(scratchDirectory(), "missing");
  const written = new Uint32Array(new SharedArrayBuffer(4));
  const plan = {
    kind: "blocks",
    layer: 0,
    imagePath,
    firstBody: 0,
    layout: LAYOUT,
    written,
  } as const;
  expect(importErrorOf(() => createBlockPlacer(plan))).toMatchObject({ code: "ERR_OUTPUT_IO" });
  const full = createBlockPlacer({ ...plan, imagePath: "/dev/full" });
  full.begin(1, ATTRIBUTES);
  full.write(Buffer.from("x"));
  full.end();
  expect(importErrorOf(() => full.finish())).toMatchObject({ code: "ERR_DISK_FULL" });
  full.close();
});
