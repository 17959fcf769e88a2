import { BLOCK_BYTES } from "./block-placement.ts";
import type { BlockRange } from "./run-plan.ts";

/** A group is what one page of bits tells of; ext4 has groups of that size. */
export const GROUP_BLOCKS: number = 8 * BLOCK_BYTES;

/**
 * Which blocks bodies and metadata take: the block bitmaps, one 4 KiB page a group in which something lies. The groups' own
 * superblocks and descriptor tables are not counted here.
 */
export class BlockUsage {
  readonly #bitmaps: (Uint8Array | undefined)[];
  readonly #used: Uint32Array;

  constructor({ groups }: { readonly groups: number }) {
    this.#bitmaps = Array.from({ length: groups });
    this.#used = new Uint32Array(groups);
  }

  /** Undefined for a group in which nothing lies. */
  bitmapOf(group: number): Uint8Array | undefined {
    return this.#bitmaps[group];
  }

  usedIn(group: number): number {
    return this.#used[group]!;
  }

  /** @throws Error when a block is taken already: two owners of one block are a bug, and would be data loss */
  mark(first: number, blocks: number): void {
    const end = first + blocks;
    for (let at = first; at < end;) {
      const group = Math.floor(at / GROUP_BLOCKS);
      const start = group * GROUP_BLOCKS;
      const stop = Math.min(end, start + GROUP_BLOCKS);
      const bitmap = (this.#bitmaps[group] ??= new Uint8Array(BLOCK_BYTES));
      if (!setBits(bitmap, at - start, stop - start)) {
        throw new Error(`blocks ${at} to ${stop - 1} are in use already`);
      }
      this.#used[group]! += stop - at;
      at = stop;
    }
  }

  /** The runs of blocks within `range` that nothing takes, ascending. */
  freeRuns(range: BlockRange): readonly BlockRange[] {
    const runs: BlockRange[] = [];
    const end = range.first + range.blocks;
    let first = -1;
    for (let at = range.first; at < end;) {
      const group = Math.floor(at / GROUP_BLOCKS);
      const bit = at - group * GROUP_BLOCKS;
      const bitmap = this.#bitmaps[group];
      const byte = bitmap === undefined ? 0 : bitmap[bit >>> 3]!;
      const step = stepOver(bitmap, bit, end - at);
      const isFree = ((byte >>> (bit & 7)) & 1) === 0;
      if (isFree && first === -1) first = at;
      if (!isFree && first !== -1) {
        runs.push({ first, blocks: at - first });
        first = -1;
      }
      at += step;
    }
    if (first !== -1) runs.push({ first, blocks: end - first });
    return runs;
  }
}

/** How far the answer for one bit surely holds: a group without a bitmap, a byte of equal bits, or the bit itself. */
function stepOver(bitmap: Uint8Array | undefined, bit: number, most: number): number {
  if (bitmap === undefined) return Math.min(most, GROUP_BLOCKS - bit);
  const byte = bitmap[bit >>> 3]!;
  return byte === 0 || byte === 0xff ? Math.min(most, 8 - (bit & 7)) : 1;
}

/** Sets the bits `[start, end)`. @returns whether none of them was set */
export function setBits(bitmap: Uint8Array, start: number, end: number): boolean {
  let before = 0;
  for (let at = start; at < end;) {
    const first = at & 7;
    const last = Math.min(8, first + end - at);
    const mask = (0xff >>> (8 - (last - first))) << first;
    before |= bitmap[at >>> 3]! & mask;
    bitmap[at >>> 3]! |= mask;
    at += last - first;
  }
  return before === 0;
}
