import fc from "fast-check";
import { expect, test } from "vitest";
import type { Superblock } from "../../src/ext4-reader/superblock.ts";
import { BlockUsage } from "../../src/ext4-reader/verify/block-usage.ts";

/** Of a superblock, what counts here: groups of 8,192 blocks, the last one short. */
const shape = { firstDataBlock: 1, blocksPerGroup: 8192, groups: 3, blocks: 1 + 2 * 8192 + 100 };

function usageOf(): BlockUsage {
  const superblock: Partial<Superblock> = shape;
  return new BlockUsage(complete(superblock));
}

function complete(part: Partial<Superblock>): Superblock {
  return {
    features: { compat: 0, incompat: 0, roCompat: 0 },
    blockSize: 1024,
    blocks: 0,
    firstDataBlock: 0,
    blocksPerGroup: 0,
    groups: 0,
    inodes: 0,
    inodesPerGroup: 0,
    inodeSize: 256,
    firstInode: 11,
    descriptorSize: 64,
    descriptorBlocks: 1,
    reservedGdtBlocks: 0,
    firstMetaBlock: 1,
    hasChecksums: true,
    checksumSeed: 0,
    uuid: Buffer.alloc(16),
    hashSeed: [],
    unsignedHash: false,
    journalInode: 0,
    orphanFileInode: 0,
    ...part,
  };
}

const range = fc
  .tuple(fc.integer({ min: 1, max: shape.blocks - 1 }), fc.integer({ min: 1, max: 9000 }))
  .map(([start, count]) => ({ start, count: Math.min(count, shape.blocks - start) }));

test("claims behave like a set of blocks", () => {
  fc.assert(
    fc.property(fc.array(range, { maxLength: 8 }), (claims) => {
      const usage = usageOf();
      const model = new Set<number>();
      for (const { start, count } of claims) {
        let first: number | undefined;
        for (let block = start; block < start + count; block++) {
          if (model.has(block)) first ??= block;
          model.add(block);
        }
        expect(usage.claim(start, count)).toBe(first);
      }
      for (let group = 0; group < shape.groups; group++) {
        const bits = usage.bitsOf(group);
        const found: number[] = [];
        for (let bit = 0; bit < shape.blocksPerGroup; bit++) {
          if (((bits[bit >>> 5] ?? 0) >>> (bit & 31)) & 1) found.push(1 + group * 8192 + bit);
        }
        const wanted = [...model].filter((block) => Math.floor((block - 1) / 8192) === group);
        expect(found).toEqual(wanted.toSorted((a, b) => a - b));
        expect(usage.usedIn(group)).toBe(wanted.length);
      }
    }),
    { numRuns: 60 },
  );
});
