import fc from "fast-check";
import { expect, test } from "vitest";
import { BLOCK_BYTES } from "../../../src/sink/block-placement.ts";
import { ByteStream } from "../../../src/sink/erofs/byte-stream.ts";
import {
  fileLayout,
  mapBytesOf,
  putChunkMap,
  type FileLayout,
} from "../../../src/sink/erofs/file-layout.ts";

interface Piece {
  /** Blocks of a hole before it. */
  readonly hole: number;
  readonly blocks: number;
  /** Whether it follows the piece before on the disk. */
  readonly follows: boolean;
}

const anyBlocks = fc.oneof(fc.nat(5), fc.constantFrom(8, 16, 64, 1024, 4096));
const anyPieces: fc.Arbitrary<readonly Piece[]> = fc.array(
  fc.record({
    hole: anyBlocks,
    blocks: anyBlocks.map((blocks) => blocks + 1),
    follows: fc.boolean(),
  }),
  { maxLength: 8 },
);

/** Extents, and the block of the disk for each block of the file. */
function layOut(pieces: readonly Piece[], tail: number) {
  const wanted: (number | undefined)[] = [];
  const extents: { logicalBlock: number; physicalBlock: number; blocks: number }[] = [];
  let physicalBlock = 100;
  for (const { hole, blocks, follows } of pieces) {
    wanted.push(...Array.from({ length: hole }, () => undefined));
    if (!follows) physicalBlock += 1000;
    extents.push({ logicalBlock: wanted.length, physicalBlock, blocks });
    for (let at = 0; at < blocks; at++) wanted.push(physicalBlock++);
  }
  wanted.push(...Array.from({ length: tail }, () => undefined));
  return { extents, wanted };
}

function bytesOf(write: (stream: ByteStream) => void): Buffer {
  const bytes = Buffer.alloc(1 << 18);
  const stream = new ByteStream(
    {
      write: (part, position) => bytes.set(part, position),
      release: () => undefined,
    },
    0,
  );
  write(stream);
  stream.padToBlock();
  stream.finish();
  return bytes;
}

/** The block of the disk for each block of the file. */
function foundBlocks(layout: FileLayout, blocks: number): readonly (number | undefined)[] {
  const all = Array.from({ length: blocks }, (_, block) => block);
  if (layout.kind === "plain") return all.map((block) => layout.firstBlock + block);
  const map = bytesOf((stream) => putChunkMap(stream, layout));
  const inChunk = 2 ** layout.chunkBits - 1;
  return all.map((block) => {
    const first = map.readUInt32LE(4 * (block >>> layout.chunkBits));
    return first === 0xffff_ffff ? undefined : first + (block & inChunk);
  });
}

/** Whether chunks of twice the size would each be a hole, or follow themselves on the disk. */
function couldBeLarger(layout: FileLayout, wanted: readonly (number | undefined)[]): boolean {
  if (layout.kind === "plain" || layout.chunks === 1) return false;
  const larger = 2 ** (layout.chunkBits + 1);
  return wanted.every((block, at) => {
    const before = wanted[at - 1];
    return at % larger === 0 || block === (before === undefined ? undefined : before + 1);
  });
}

test("the map of a file leads to its blocks, and its chunks could not be larger", () => {
  fc.assert(
    fc.property(anyPieces, anyBlocks, (pieces, tail) => {
      const { extents, wanted } = layOut(pieces, tail);
      const layout = fileLayout(
        extents,
        wanted.length * BLOCK_BYTES - 5 * Number(wanted.length > 0),
      );
      expect(foundBlocks(layout, wanted.length)).toEqual(wanted);
      expect(couldBeLarger(layout, wanted)).toBe(false);
    }),
    { numRuns: 120 },
  );
});

test("a file without data is one hole; an empty one has no block", () => {
  expect(fileLayout([], 10 * BLOCK_BYTES)).toMatchObject({
    kind: "chunks",
    chunkBits: 4,
    chunks: 1,
  });
  expect(fileLayout([], 2 ** 40)).toMatchObject({ chunkBits: 18, chunks: 2 ** 10 });
  expect(mapBytesOf(fileLayout([], 2 ** 40))).toBe(4 * 2 ** 10);
  expect(fileLayout([], 0)).toEqual({ kind: "plain", firstBlock: 0 });
});
