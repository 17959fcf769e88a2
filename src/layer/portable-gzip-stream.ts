import { crc32 } from "node:zlib";
import { BitSource } from "./bit-source.ts";
import { OUTPUT_BYTES } from "./decompressor.ts";
import { InflateBlocks } from "./inflate-blocks.ts";
import type { Decompressor, DecompressorOptions } from "./decompressor.ts";
import type { ImportError } from "../errors.ts";

const FIXED_HEADER_BYTES = 10;
const TRAILER_BYTES = 8;
const FLAG_HEADER_CRC = 2;
const FLAG_EXTRA = 4;
const FLAG_NAME = 8;
const FLAG_COMMENT = 16;
const RESERVED_FLAGS = 0xe0;
/** A header is buffered whole, and its name and comment state no length. */
const LONGEST_HEADER = 1 << 20;

/**
 * gzip (RFC 1952) without Node's internal handle: the same contract as the native stream, at a tenth of its speed. Used
 * where a later Node has changed what `native-handle.ts` relies on; the tests hold it against zlib.
 */
export function createPortableGzipStream(options: DecompressorOptions): Decompressor {
  return new PortableGzipStream(options);
}

type Step = "header" | "body" | "trailer" | "padding";

class PortableGzipStream implements Decompressor {
  readonly #options: DecompressorOptions;
  readonly #source = new BitSource();
  readonly #blocks: InflateBlocks;
  #step: Step = "header";
  #members = 0;
  #crc = 0;
  #length = 0;

  constructor(options: DecompressorOptions) {
    this.#options = options;
    this.#blocks = new InflateBlocks(this.#source, OUTPUT_BYTES, (bytes) => {
      this.#crc = crc32(bytes, this.#crc);
      this.#length = (this.#length + bytes.length) >>> 0;
      options.output(bytes);
    });
  }

  write(chunk: Uint8Array): void {
    this.#source.append(chunk);
    while (this.#advance());
    this.#blocks.flush();
  }

  end(): void {
    const complete = this.#step === "padding" || (this.#step === "header" && this.#unread === 0);
    if (!complete || this.#members === 0) {
      throw this.#options.fault("ERR_LAYER_TRUNCATED", "the gzip stream ends early");
    }
  }

  close(): void {
    this.#source.bytes = new Uint8Array(0);
    this.#source.at = 0;
  }

  get #unread(): number {
    return this.#source.bytes.length - this.#source.at;
  }

  /** @returns whether there may be more to do */
  #advance(): boolean {
    if (this.#step === "header") return this.#readHeader();
    if (this.#step === "body") return this.#readBody();
    if (this.#step === "trailer") return this.#readTrailer();
    if (this.#source.bytes.subarray(this.#source.at).some((byte) => byte !== 0)) {
      throw this.#options.fault("ERR_LAYER_CORRUPT", "garbage after the last gzip member");
    }
    this.#source.at = this.#source.bytes.length;
    return false;
  }

  #readBody(): boolean {
    const result = this.#blocks.run();
    if (result === "short") return false;
    if (result !== "end") throw this.#corrupt(result.problem);
    this.#step = "trailer";
    return true;
  }

  #readHeader(): boolean {
    if (this.#unread === 0) return false;
    const { bytes, at } = this.#source;
    if (this.#members > 0 && bytes[at] === 0) {
      this.#step = "padding";
      return true;
    }
    const length = this.#headerLength(bytes.subarray(at));
    if (length === undefined) {
      if (this.#unread > LONGEST_HEADER) throw this.#corrupt("a header of more than a mebibyte");
      return false;
    }
    this.#source.at += length;
    this.#blocks.restart();
    this.#crc = 0;
    this.#length = 0;
    this.#step = "body";
    return true;
  }

  /** @returns `undefined` when it is not all there */
  #headerLength(bytes: Uint8Array): number | undefined {
    const [first, second, method, flags = 0] = bytes;
    if (first !== 0x1f || (second !== undefined && second !== 0x8b)) {
      throw this.#corrupt("incorrect header check");
    }
    if (bytes.length < FIXED_HEADER_BYTES) return undefined;
    if (method !== 8) throw this.#corrupt("unknown compression method");
    if ((flags & RESERVED_FLAGS) !== 0) throw this.#corrupt("unknown header flags set");
    let length = FIXED_HEADER_BYTES;
    if ((flags & FLAG_EXTRA) !== 0) {
      if (bytes.length < length + 2) return undefined;
      length += 2 + bytes[length]! + bytes[length + 1]! * 256;
    }
    for (const flag of [FLAG_NAME, FLAG_COMMENT]) {
      if ((flags & flag) === 0) continue;
      const end = bytes.indexOf(0, length);
      if (end < 0) return undefined;
      length = end + 1;
    }
    if ((flags & FLAG_HEADER_CRC) === 0) return bytes.length < length ? undefined : length;
    if (bytes.length < length + 2) return undefined;
    const stated = bytes[length]! + bytes[length + 1]! * 256;
    const found = crc32(bytes.subarray(0, length)) & 0xffff;
    if (stated !== found) throw this.#corrupt("header crc mismatch");
    return length + 2;
  }

  #readTrailer(): boolean {
    if (this.#unread < TRAILER_BYTES) return false;
    this.#blocks.flush();
    const { bytes, at } = this.#source;
    const trailer = new DataView(bytes.buffer, bytes.byteOffset + at, TRAILER_BYTES);
    if (trailer.getUint32(0, true) !== this.#crc) throw this.#corrupt("incorrect data check");
    if (trailer.getUint32(4, true) !== this.#length) throw this.#corrupt("incorrect length check");
    this.#source.at += TRAILER_BYTES;
    this.#members++;
    this.#step = "header";
    return true;
  }

  #corrupt(problem: string): ImportError {
    return this.#options.fault("ERR_LAYER_CORRUPT", `bad gzip data (${problem})`);
  }
}
