import type { ImportError } from "../../errors.ts";
import type { BlockUsage } from "../block-usage.ts";
import type { BlockRange } from "./geometry.ts";

/** Deals blocks out of free ranges, in their order, and marks them as used. What it deals reads as zeros. */
export class BlockAllocator {
  readonly #usage: BlockUsage;
  readonly #firsts: Float64Array;
  readonly #lengths: Float64Array;
  readonly #full: () => ImportError;
  /** Ranges before this one are empty. */
  #next = 0;
  /** No range before `#wide` has `#width` blocks. */
  #wide = 0;
  #width = 0;

  /** @param full the error when the blocks are not enough */
  constructor(usage: BlockUsage, ranges: readonly BlockRange[], full: () => ImportError) {
    this.#usage = usage;
    this.#firsts = Float64Array.from(ranges, ({ first }) => first);
    this.#lengths = Float64Array.from(ranges, ({ blocks }) => blocks);
    this.#full = full;
  }

  takeOne(): number {
    while (this.#lengths[this.#next] === 0) this.#next++;
    return this.#cut(this.#next, 1);
  }

  /** As few runs as the ranges allow. */
  take(blocks: number): readonly BlockRange[] {
    const runs: BlockRange[] = [];
    for (let left = blocks; left > 0;) {
      while (this.#lengths[this.#next] === 0) this.#next++;
      const taken = Math.min(left, this.#lengths[this.#next] ?? left);
      runs.push({ first: this.#cut(this.#next, taken), blocks: taken });
      left -= taken;
    }
    return runs;
  }

  /** @returns the first of `blocks` blocks in one run */
  takeContiguous(blocks: number): number {
    if (blocks < this.#width) this.#wide = this.#next;
    this.#width = blocks;
    while (this.#lengths[this.#wide]! < blocks) this.#wide++;
    return this.#cut(this.#wide, blocks);
  }

  #cut(range: number, blocks: number): number {
    const first = this.#firsts[range];
    if (first === undefined) throw this.#full();
    this.#firsts[range]! += blocks;
    this.#lengths[range]! -= blocks;
    this.#usage.mark(first, blocks);
    return first;
  }
}
