import { BLOCK_BYTES } from "../block-placement.ts";
import { BlockWriter } from "../block-writer.ts";
import type { ImageFile } from "../image-file.ts";

const ZEROS = new Uint8Array(BLOCK_BYTES);

/** Writes bytes one after the other, from the beginning of a block on; the last block is filled up with zeros. */
export class ByteStream {
  readonly #writer: BlockWriter;
  readonly #firstBlock: number;
  /** Bytes so far. */
  #position = 0;
  /** Of the block under way in the writer's bytes. */
  #block = 0;

  constructor(file: ImageFile, firstBlock: number) {
    this.#writer = new BlockWriter(file);
    this.#firstBlock = firstBlock;
  }

  /** The block in which the next byte lies. */
  get block(): number {
    return this.#firstBlock + Math.floor(this.#position / BLOCK_BYTES);
  }

  put(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length;) {
      const inBlock = this.#position % BLOCK_BYTES;
      if (inBlock === 0) this.#block = this.#writer.begin(this.block);
      const count = Math.min(bytes.length - at, BLOCK_BYTES - inBlock);
      const part = count === bytes.length ? bytes : bytes.subarray(at, at + count);
      this.#writer.bytes.set(part, this.#block + inBlock);
      this.#position += count;
      at += count;
    }
  }

  /** Zeros up to a position, less than a block away. */
  skipTo(position: number): void {
    this.put(ZEROS.subarray(0, position - this.#position));
  }

  /** Zeros up to the end of the block, if one has begun. */
  padToBlock(): void {
    this.skipTo(Math.ceil(this.#position / BLOCK_BYTES) * BLOCK_BYTES);
  }

  finish(): void {
    this.#writer.flush();
  }
}
