import { ImportError } from "../../errors.ts";
import { groupBlockCount, groupFirstBlock } from "../block-groups.ts";
import type { Superblock } from "../superblock.ts";

const WORD_BITS = 32;
/** Groups that are neither empty nor full, 128 MiB of them: 4 TiB of such groups; a disk of 16 TiB has few. */
const MOST_BITMAPS_BYTES = 128 * 2 ** 20;

/**
 * Which blocks something owns, as found; the bitmaps of the image are compared with it. A bitmap a group, only where a
 * group is used in part: a disk of 16 TiB would have 512 MiB of them.
 */
export class BlockUsage {
  readonly #superblock: Superblock;
  readonly #words: number;
  readonly #bitmaps = new Map<number, Uint32Array>();
  readonly #counts: Uint32Array;
  readonly #spare: Uint32Array;

  constructor(superblock: Superblock) {
    this.#superblock = superblock;
    this.#words = superblock.blocksPerGroup / WORD_BITS;
    this.#counts = new Uint32Array(superblock.groups);
    this.#spare = new Uint32Array(this.#words);
  }

  /**
   * Marks blocks as owned. @param start on the disk, like all of them
   * @returns the first block that was owned before; undefined when none was
   * @throws ImportError ERR_LIMIT_EXCEEDED
   */
  claim(start: number, count: number): number | undefined {
    const { firstDataBlock, blocksPerGroup } = this.#superblock;
    let first: number | undefined;
    for (let at = start; at < start + count;) {
      const group = Math.floor((at - firstDataBlock) / blocksPerGroup);
      const base = groupFirstBlock(this.#superblock, group);
      const end = Math.min(start + count, base + blocksPerGroup);
      const taken = this.#claimIn(group, at - base, end - base);
      if (taken !== undefined) first ??= base + taken;
      at = end;
    }
    return first;
  }

  /** The bits of a group, as its bitmap should have them; borrowed until the next call. */
  bitsOf(group: number): Uint32Array {
    const size = groupBlockCount(this.#superblock, group);
    const spare = this.#spare.fill(0);
    if (this.#counts[group] !== size) return this.#bitmaps.get(group) ?? spare;
    setBits(spare, 0, size);
    return spare;
  }

  usedIn(group: number): number {
    return this.#counts[group]!;
  }

  #claimIn(group: number, from: number, to: number): number | undefined {
    const counts = this.#counts;
    const size = groupBlockCount(this.#superblock, group);
    if (counts[group] === size) return from;
    if (counts[group] === 0 && to - from === size) {
      counts[group] = size;
      return undefined;
    }
    const { taken, added } = setBits(this.#bitmapOf(group), from, to);
    counts[group] = counts[group]! + added;
    if (counts[group] === size) this.#bitmaps.delete(group);
    return taken;
  }

  #bitmapOf(group: number): Uint32Array {
    const known = this.#bitmaps.get(group);
    if (known !== undefined) return known;
    const limit = MOST_BITMAPS_BYTES / (this.#words * 4);
    if (this.#bitmaps.size >= limit) {
      throw new ImportError("ERR_LIMIT_EXCEEDED", "too many block groups are in use in part", {
        details: { limit },
      });
    }
    const bitmap = new Uint32Array(this.#words);
    this.#bitmaps.set(group, bitmap);
    return bitmap;
  }
}

/** @returns the first bit that was set before, and how many were not */
function setBits(
  bitmap: Uint32Array,
  from: number,
  to: number,
): { readonly taken: number | undefined; readonly added: number } {
  let taken: number | undefined;
  let added = 0;
  for (let at = from; at < to;) {
    const word = at >>> 5;
    const end = Math.min(to, (word + 1) * WORD_BITS);
    const width = end - at;
    const mask = width === WORD_BITS ? 0xffffffff : (((1 << width) - 1) << (at & 31)) >>> 0;
    const before = (bitmap[word]! & mask) >>> 0;
    if (before !== 0) taken ??= word * WORD_BITS + lowestBit(before);
    added += width - countBits(before);
    bitmap[word] = (bitmap[word]! | mask) >>> 0;
    at = end;
  }
  return { taken, added };
}

export function lowestBit(word: number): number {
  return 31 - Math.clz32(word & -word);
}

export function countBits(word: number): number {
  let bits = word - ((word >>> 1) & 0x55555555);
  bits = (bits & 0x33333333) + ((bits >>> 2) & 0x33333333);
  return Math.imul((bits + (bits >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
}
