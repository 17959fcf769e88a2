import { PIECE_BLOCKS } from "./block-placement.ts";
import { StreamMap } from "./run-plan.ts";
import type { PlacedLayer } from "./body-map.ts";

/** Runs of blocks of the disk with the CRC-32 of each, ascending and apart from each other. */
export interface ChecksummedRanges {
  readonly firstBlocks: Uint32Array;
  readonly blockCounts: Uint32Array;
  readonly checksums: Uint32Array;
}

/** Collects ranges in any order. */
export class RangeColumns {
  #firsts = new Uint32Array(1024);
  #counts = new Uint32Array(1024);
  #checksums = new Uint32Array(1024);
  #length = 0;

  add(first: number, blocks: number, checksum: number): void {
    if (this.#length === this.#firsts.length) {
      this.#firsts = doubled(this.#firsts);
      this.#counts = doubled(this.#counts);
      this.#checksums = doubled(this.#checksums);
    }
    this.#firsts[this.#length] = first;
    this.#counts[this.#length] = blocks;
    this.#checksums[this.#length] = checksum;
    this.#length++;
  }

  sorted(): ChecksummedRanges {
    const order = Uint32Array.from({ length: this.#length }, (_, at) => at);
    order.sort((a, b) => this.#firsts[a]! - this.#firsts[b]!);
    return {
      firstBlocks: order.map((at) => this.#firsts[at]!),
      blockCounts: order.map((at) => this.#counts[at]!),
      checksums: order.map((at) => this.#checksums[at]!),
    };
  }
}

/** What the placers of the layers have written. */
export function bodyRanges(layers: readonly PlacedLayer[]): ChecksummedRanges {
  const ranges = new RangeColumns();
  for (const { layout, placement } of layers) {
    const map = new StreamMap(layout);
    let write = 0;
    for (let first = 0; first < placement.blocks; first += PIECE_BLOCKS) {
      const blocks = Math.min(PIECE_BLOCKS, placement.blocks - first);
      map.extents(first, blocks, (physicalBlock, count) => {
        ranges.add(physicalBlock, count, placement.checksums[write]!);
        write++;
      });
    }
  }
  return ranges.sorted();
}

function doubled(array: Uint32Array<ArrayBuffer>): Uint32Array<ArrayBuffer> {
  const larger = new Uint32Array(2 * array.length);
  larger.set(array);
  return larger;
}
