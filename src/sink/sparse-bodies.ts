import type { SparseBodies } from "./block-placement.ts";

/** Collects the segments of one layer's bodies with holes; what `SparseBodies` says, while it grows. */
export class SparseBodiesBuilder {
  #firstBlocks = new Uint32Array(16);
  #ends = new Uint32Array(16);
  #segments = new Uint32Array(64);
  #bodies = 0;
  #numbers = 0;
  /** The body begun holds `segments` from here on. */
  #start = 0;

  /** Begins the segments of a body. What an earlier one left without `end` is dropped. */
  begin(): void {
    this.#numbers = this.#start;
  }

  addSegment(firstBlock: number, blocks: number): void {
    if (this.#numbers + 2 > this.#segments.length) this.#segments = grown(this.#segments);
    this.#segments[this.#numbers] = firstBlock;
    this.#segments[this.#numbers + 1] = blocks;
    this.#numbers += 2;
  }

  /** @param firstBlock in the stream. @returns the body's number */
  end(firstBlock: number): number {
    const body = this.#bodies++;
    if (body === this.#ends.length) {
      this.#firstBlocks = grown(this.#firstBlocks);
      this.#ends = grown(this.#ends);
    }
    this.#firstBlocks[body] = firstBlock;
    this.#ends[body] = this.#numbers / 2;
    this.#start = this.#numbers;
    return body;
  }

  /** Copies, as short as they can be. */
  finish(): SparseBodies {
    return {
      firstBlocks: this.#firstBlocks.slice(0, this.#bodies),
      ends: this.#ends.slice(0, this.#bodies),
      segments: this.#segments.slice(0, this.#start),
    };
  }
}

function grown(array: Uint32Array<ArrayBuffer>): Uint32Array<ArrayBuffer> {
  const larger = new Uint32Array(2 * array.length);
  larger.set(array);
  return larger;
}
