import fc from "fast-check";
import { expect, test } from "vitest";
import { BlockSet } from "../../src/erofs-reader/verify/block-set.ts";
import { FoundInodes } from "../../src/erofs-reader/verify/found-inodes.ts";
import { ImageUsage } from "../../src/erofs-reader/verify/image-usage.ts";

const PAGE = 32_768;

const range = fc
  .tuple(
    fc.oneof(fc.nat(200), fc.nat(3 * PAGE), fc.constantFrom(0, PAGE, PAGE - 1)),
    fc.oneof(fc.integer({ min: 1, max: 100 }), fc.constantFrom(PAGE, PAGE + 1, 2 * PAGE)),
  )
  .map(([start, count]) => ({ start, count }));

test("a set of blocks is a set", () => {
  fc.assert(
    fc.property(fc.array(range, { maxLength: 8 }), (ranges) => {
      const set = new BlockSet();
      const model = new Set<number>();
      for (const { start, count } of ranges) {
        let first: number | undefined;
        for (let block = start; block < start + count; block++) {
          if (model.has(block)) first ??= block;
        }
        expect(set.firstIn(start, count)).toBe(first);
        for (let block = start; block < start + count; block++) model.add(block);
        expect(set.add(start, count)).toBe(first);
        expect(set.size).toBe(model.size);
      }
    }),
    { numRuns: 60 },
  );
});

const BLOCK = 4096;
const SLOT = 32;
const BLOCKS = 6;

type Claim =
  | { readonly kind: "data" | "blocks"; readonly start: number; readonly count: number }
  | { readonly kind: "bytes" | "shared"; readonly start: number; readonly count: number };

const claim: fc.Arbitrary<Claim> = fc.oneof(
  fc
    .tuple(fc.constantFrom("data" as const, "blocks" as const), fc.nat(BLOCKS - 1), fc.nat(2))
    .map(([kind, start, more]) => ({ kind, start, count: Math.min(1 + more, BLOCKS - start) })),
  fc
    .tuple(
      fc.constantFrom("bytes" as const, "shared" as const),
      fc.nat((BLOCKS * BLOCK) / SLOT - 1),
      fc.oneof(fc.integer({ min: 1, max: 300 }), fc.integer({ min: 1, max: 3 * BLOCK })),
    )
    .map(([kind, slot, bytes]) => ({
      kind,
      start: slot * SLOT,
      count: Math.min(bytes, BLOCKS * BLOCK - slot * SLOT),
    })),
);

function claimWith(usage: ImageUsage, { kind, start, count }: Claim): number | undefined {
  if (kind === "data") return usage.claimData(start, count);
  if (kind === "blocks") return usage.claimBlocks(start, count);
  if (kind === "bytes") return usage.claimBytes(start, start + count);
  return usage.claimShared(start, start + count);
}

/** Slots that a claim touches. */
function slotsOf({ kind, start, count }: Claim): readonly [number, number] {
  const unit = kind === "data" || kind === "blocks" ? BLOCK : 1;
  return [Math.floor((start * unit) / SLOT), Math.ceil(((start + count) * unit) / SLOT)];
}

test("a part of an image is in use for one thing, or is shared by many of one kind", () => {
  fc.assert(
    fc.property(fc.array(claim, { minLength: 1, maxLength: 6 }), (claims) => {
      const usage = new ImageUsage(BLOCK);
      const made: Claim[] = [];
      for (const next of claims) {
        const [from, to] = slotsOf(next);
        const clashes = made.some((other) => {
          const shares =
            next.kind === other.kind && (next.kind === "data" || next.kind === "shared");
          const [otherFrom, otherTo] = slotsOf(other);
          return !shares && from < otherTo && otherFrom < to;
        });
        const taken = claimWith(usage, next);
        const first = Math.floor((from * SLOT) / BLOCK);
        const last = Math.floor((to * SLOT - 1) / BLOCK);
        const inside = taken !== undefined && taken >= first && taken <= last;
        expect([next, taken !== undefined, inside]).toEqual([next, clashes, clashes]);
        // What a claim that failed has marked is not said.
        if (clashes) return;
        made.push(next);
      }
      const used = new Set(
        made.flatMap((it) => {
          const [from, to] = slotsOf(it);
          const first = Math.floor((from * SLOT) / BLOCK);
          const last = Math.floor((to * SLOT - 1) / BLOCK);
          return Array.from({ length: last - first + 1 }, (_, n) => first + n);
        }),
      );
      expect(usage.usedBlocks).toBe(used.size);
    }),
    { numRuns: 500 },
  );
});

test("inodes are found by their numbers, however those lie", () => {
  fc.assert(
    fc.property(
      fc.uniqueArray(
        fc.oneof(
          fc.nat(5000),
          fc.nat(100).map((n) => n * 2 ** 32),
          fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }),
        ),
        { maxLength: 3000, size: "max" },
      ),
      (nids) => {
        const inodes = new FoundInodes();
        for (const [index, nid] of nids.entries()) {
          expect(inodes.indexOf(nid)).toBe(-1);
          expect(inodes.add(nid, index % 8, Math.max(0, index - 1))).toBe(index);
        }
        for (const [index, nid] of nids.entries()) {
          expect(inodes.indexOf(nid)).toBe(index);
          expect(inodes.nidAt(index)).toBe(nid);
          expect([inodes.typeAt(index), inodes.stateAt(index)]).toEqual([index % 8, "found"]);
        }
      },
    ),
    { numRuns: 10 },
  );
});
