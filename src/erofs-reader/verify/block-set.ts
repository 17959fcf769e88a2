import { ImportError } from "../../errors.ts";

const WORD_BITS = 32;
/** A page is 128 MiB of an image of 4 KiB blocks, and 4 KiB of memory. */
const PAGE_BLOCKS = 32_768;
/** Pages that are neither empty nor full: 64 MiB of them, 2 TiB of such an image. */
const MOST_PAGES = 16_384;

/** Blocks of an image: a bitmap a page, only where a page is in use in part. */
export class BlockSet {
  /** Full pages have no bitmap. */
  readonly #pages = new Map<number, Uint32Array | "full">();
  readonly #counts = new Map<number, number>();
  #partial = 0;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** @returns the first of these blocks that was in before; undefined when none was @throws ImportError ERR_LIMIT_EXCEEDED */
  add(start: number, count: number): number | undefined {
    let first: number | undefined;
    for (let at = start; at < start + count;) {
      const page = Math.floor(at / PAGE_BLOCKS);
      const base = page * PAGE_BLOCKS;
      const end = Math.min(start + count, base + PAGE_BLOCKS);
      const taken = this.#addIn(page, at - base, end - base);
      if (taken !== undefined) first ??= base + taken;
      at = end;
    }
    return first;
  }

  /** The first of these blocks that is in; undefined when none is. */
  firstIn(start: number, count: number): number | undefined {
    for (let at = start; at < start + count;) {
      const page = Math.floor(at / PAGE_BLOCKS);
      const base = page * PAGE_BLOCKS;
      const end = Math.min(start + count, base + PAGE_BLOCKS);
      const known = this.#pages.get(page);
      if (known === "full") return at;
      const taken = known === undefined ? undefined : firstBit(known, at - base, end - base);
      if (taken !== undefined) return base + taken;
      at = end;
    }
    return undefined;
  }

  #addIn(page: number, from: number, to: number): number | undefined {
    const known = this.#pages.get(page);
    if (known === "full") return from;
    const before = this.#counts.get(page) ?? 0;
    const bitmap = known ?? this.#newPage(page);
    const taken = firstBit(bitmap, from, to);
    const count = before + setBits(bitmap, from, to);
    this.#size += count - before;
    this.#counts.set(page, count);
    if (count < PAGE_BLOCKS) return taken;
    this.#pages.set(page, "full");
    this.#partial--;
    return taken;
  }

  #newPage(page: number): Uint32Array {
    if (this.#partial >= MOST_PAGES) {
      throw new ImportError(
        "ERR_LIMIT_EXCEEDED",
        "too many parts of the image are in use in part",
        {
          details: { limit: MOST_PAGES },
        },
      );
    }
    this.#partial++;
    const bitmap = new Uint32Array(PAGE_BLOCKS / WORD_BITS);
    this.#pages.set(page, bitmap);
    return bitmap;
  }
}

/** The first bit of a range that is set. */
export function firstBit(bitmap: Uint32Array, from: number, to: number): number | undefined {
  for (let at = from; at < to;) {
    const end = wordEnd(at, to);
    const set = (bitmap[at >>> 5]! & mask(at, end)) >>> 0;
    if (set !== 0) return (at >>> 5) * WORD_BITS + 31 - Math.clz32(set & -set);
    at = end;
  }
  return undefined;
}

/** @returns how many were not set before */
export function setBits(bitmap: Uint32Array, from: number, to: number): number {
  let added = 0;
  for (let at = from; at < to;) {
    const end = wordEnd(at, to);
    const bits = mask(at, end);
    added += end - at - countBits((bitmap[at >>> 5]! & bits) >>> 0);
    bitmap[at >>> 5] = (bitmap[at >>> 5]! | bits) >>> 0;
    at = end;
  }
  return added;
}

function wordEnd(at: number, to: number): number {
  return Math.min(to, ((at >>> 5) + 1) * WORD_BITS);
}

/** Bits of one word. */
function mask(from: number, to: number): number {
  const width = to - from;
  return width === WORD_BITS ? 0xffffffff : (((1 << width) - 1) << (from & 31)) >>> 0;
}

function countBits(word: number): number {
  let bits = word - ((word >>> 1) & 0x55555555);
  bits = (bits & 0x33333333) + ((bits >>> 2) & 0x33333333);
  return Math.imul((bits + (bits >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
}
