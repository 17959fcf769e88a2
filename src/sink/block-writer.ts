import { BLOCK_BYTES } from "./block-placement.ts";
import type { ImageFile } from "./image-file.ts";

const BUFFERED_BLOCKS = 256;

/**
 * Collects blocks that follow each other on the disk into writes of 1 MiB. A block is filled in place: between `begin` and
 * the next call, `bytes` and `view` hold it from the offset on that `begin` answers.
 */
export class BlockWriter {
  readonly bytes: Uint8Array = new Uint8Array(BUFFERED_BLOCKS * BLOCK_BYTES);
  readonly view: DataView = new DataView(this.bytes.buffer);
  readonly #file: ImageFile;
  #first = 0;
  #count = 0;

  constructor(file: ImageFile) {
    this.#file = file;
  }

  /** @returns the offset of 4,096 zero bytes that will be written as this block */
  begin(block: number): number {
    if (block !== this.#first + this.#count || this.#count === BUFFERED_BLOCKS) {
      this.flush();
      this.#first = block;
    }
    const at = this.#count * BLOCK_BYTES;
    this.#count++;
    this.bytes.fill(0, at, at + BLOCK_BYTES);
    return at;
  }

  flush(): void {
    if (this.#count === 0) return;
    this.#file.write(this.bytes.subarray(0, this.#count * BLOCK_BYTES), this.#first * BLOCK_BYTES);
    this.#count = 0;
  }
}
