import { crc32 } from "node:zlib";
import type { ImageChecksums } from "./sink.ts";

/** Bytes of one range, at most. */
const RANGE_BYTES = 1 << 20;

/** Takes the checksums of a file while it is written from its beginning to its end, with gaps of whole blocks. */
export class ChecksumRanges {
  readonly #blockBytes: number;
  readonly #firstBlocks: number[] = [];
  readonly #blockCounts: number[] = [];
  readonly #checksums: number[] = [];
  #start = 0;
  #end = 0;
  #checksum = 0;

  constructor(blockBytes: number) {
    this.#blockBytes = blockBytes;
  }

  /** Bytes that follow what was added before, or lie behind a gap. */
  add(bytes: Uint8Array, position: number): void {
    if (position !== this.#end) this.#endRange(position);
    for (let at = 0; at < bytes.length;) {
      const count = Math.min(bytes.length - at, this.#start + RANGE_BYTES - this.#end);
      this.#checksum = crc32(bytes.subarray(at, at + count), this.#checksum);
      this.#end += count;
      at += count;
      if (this.#end === this.#start + RANGE_BYTES) this.#endRange(this.#end);
    }
  }

  /** After the last byte; the file has whole blocks. */
  finish(): ImageChecksums {
    this.#endRange(this.#end);
    return {
      blockBytes: this.#blockBytes,
      firstBlocks: Uint32Array.from(this.#firstBlocks),
      blockCounts: Uint32Array.from(this.#blockCounts),
      checksums: Uint32Array.from(this.#checksums),
    };
  }

  #endRange(next: number): void {
    if (this.#end > this.#start) {
      this.#firstBlocks.push(this.#start / this.#blockBytes);
      this.#blockCounts.push((this.#end - this.#start) / this.#blockBytes);
      this.#checksums.push(this.#checksum);
    }
    this.#start = next;
    this.#end = next;
    this.#checksum = 0;
  }
}
