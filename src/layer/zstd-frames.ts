import { limitFault } from "./fault.ts";
import type { DecompressorOptions } from "./decompressor.ts";

const FRAME_MAGIC = 0xfd2fb528;
const SKIPPABLE_MAGIC = 0x184d2a50;
const MAGIC_BYTES = 4;
/** Magic, descriptor, window, dictionary id, content size: never longer. */
const LONGEST_HEADER = 4 + 1 + 1 + 4 + 8;
const DICTIONARY_ID_BYTES = [0, 1, 2, 4];
const CONTENT_SIZE_BYTES = [0, 2, 4, 8];
const BLOCK_HEADER_BYTES = 3;
const CHECKSUM_BYTES = 4;
const RLE_BLOCK = 1;
const RESERVED_BLOCK = 3;

type Step =
  | "between frames"
  | "skippable length"
  | "skippable content"
  | "frame header"
  | "block header"
  | "block"
  | "checksum";

/**
 * Walks zstd frames (RFC 8878 §3.1) without decoding them, and hands each frame's bytes to `feed`, never two frames in
 * one call.
 *
 * Why: Node's decoder stops in silence after the first frame of a write, gives nothing when a skippable frame leads, and
 * before Node 24 takes a cut frame for a whole one. Walking also tells a frame's window before the decoder allocates it.
 */
export class ZstdFrameWalker {
  readonly #options: DecompressorOptions;
  readonly #feed: (bytes: Uint8Array, start: number, end: number) => void;
  readonly #header = Buffer.alloc(LONGEST_HEADER);
  #step: Step = "between frames";
  /** Bytes in `#header`, or of a block's header that were seen. */
  #have = 0;
  /** Bytes of the present step to come, for those that only count. */
  #left = 0;
  #blockHeader = 0;
  #last = false;
  #checksum = false;

  constructor(
    options: DecompressorOptions,
    feed: (bytes: Uint8Array, start: number, end: number) => void,
  ) {
    this.#options = options;
    this.#feed = feed;
  }

  write(chunk: Uint8Array): void {
    let at = 0;
    /** Where the bytes of the present frame begin that the decoder has not got. */
    let from = 0;
    while (at < chunk.length) {
      const before = this.#step;
      at = this.#take(chunk, at);
      const now = this.#step;
      if (before === "frame header" && now === "block header") from = at;
      if (before !== "between frames" && now === "between frames") {
        if (before === "block header" || before === "block" || before === "checksum") {
          this.#feed(chunk, from, at);
        }
        from = at;
      }
    }
    const inside =
      this.#step === "block header" || this.#step === "block" || this.#step === "checksum";
    if (inside && from < at) this.#feed(chunk, from, at);
  }

  end(): void {
    if (this.#step !== "between frames" || this.#have > 0) {
      throw this.#options.fault("ERR_LAYER_TRUNCATED", "the zstd stream ends inside a frame");
    }
  }

  /** Takes what belongs to the present step. @returns where the next begins */
  #take(chunk: Uint8Array, at: number): number {
    const step = this.#step;
    if (step === "skippable content" || step === "block" || step === "checksum") {
      const taken = Math.min(this.#left, chunk.length - at);
      this.#left -= taken;
      if (this.#left === 0) this.#endCounted();
      return at + taken;
    }
    if (step === "block header") {
      this.#blockHeader += chunk[at]! * 2 ** (8 * this.#have++);
      if (this.#have === BLOCK_HEADER_BYTES) this.#startBlock();
    } else {
      this.#header[this.#have++] = chunk[at]!;
      this.#readHeader();
    }
    return at + 1;
  }

  #go(step: Step, left = 0): void {
    this.#step = step;
    this.#left = left;
    this.#have = 0;
    this.#blockHeader = 0;
  }

  #readHeader(): void {
    const header = this.#header;
    if (this.#step === "frame header") return this.#readFrameHeader();
    if (this.#step === "skippable length") {
      if (this.#have < 2 * MAGIC_BYTES) return;
      const length = header.readUInt32LE(MAGIC_BYTES);
      return this.#go(length === 0 ? "between frames" : "skippable content", length);
    }
    if (this.#have < MAGIC_BYTES) return;
    const magic = header.readUInt32LE(0);
    if (magic === FRAME_MAGIC) this.#step = "frame header";
    else if ((magic & 0xffff_fff0) >>> 0 === SKIPPABLE_MAGIC) this.#step = "skippable length";
    else throw this.#options.fault("ERR_LAYER_CORRUPT", "garbage between or after zstd frames");
  }

  #readFrameHeader(): void {
    const header = this.#header;
    const descriptor = header[MAGIC_BYTES]!;
    const single = (descriptor & 0x20) !== 0;
    const sizeBytes = single && descriptor < 0x40 ? 1 : CONTENT_SIZE_BYTES[descriptor >> 6]!;
    const sizeAt = MAGIC_BYTES + 1 + (single ? 0 : 1) + DICTIONARY_ID_BYTES[descriptor & 3]!;
    if (this.#have < sizeAt + sizeBytes) return;
    this.#checksum = (descriptor & 4) !== 0;
    // Attack: a frame of a few bytes may ask for a window of terabytes.
    const window = single ? contentSize(header, sizeAt, sizeBytes) : windowSize(header[5]!);
    const { fault, limits } = this.#options;
    if (window > limits.zstdWindowBytes) {
      const problem = `a zstd frame wants a window of ${window} bytes`;
      throw limitFault(fault, limits, { limit: "zstdWindowBytes", value: window, problem });
    }
    this.#feed(header, 0, sizeAt + sizeBytes);
    this.#go("block header");
  }

  #startBlock(): void {
    const last = (this.#blockHeader & 1) !== 0;
    const type = (this.#blockHeader >> 1) & 3;
    if (type === RESERVED_BLOCK) {
      throw this.#options.fault("ERR_LAYER_CORRUPT", "bad zstd data (reserved block type)");
    }
    const left = type === RLE_BLOCK ? 1 : this.#blockHeader >> 3;
    this.#go("block", left);
    this.#last = last;
    if (left === 0) this.#endCounted();
  }

  #endCounted(): void {
    if (this.#step !== "block") this.#go("between frames");
    else if (!this.#last) this.#go("block header");
    else if (this.#checksum) this.#go("checksum", CHECKSUM_BYTES);
    else this.#go("between frames");
  }
}

/** RFC 8878 §3.1.1.1.2. */
function windowSize(descriptor: number): number {
  const base = 2 ** (10 + (descriptor >> 3));
  return base + (base / 8) * (descriptor & 7);
}

/** RFC 8878 §3.1.1.1.4; a two-byte size counts from 256. */
function contentSize(header: Buffer, at: number, bytes: number): number {
  if (bytes === 8) return Number(header.readBigUInt64LE(at));
  return header.readUIntLE(at, bytes) + (bytes === 2 ? 256 : 0);
}
