import { limitFault } from "./fault.ts";
import { PaxKey } from "./pax-records.ts";
import { parseDecimal, parseNumeric } from "./tar-numbers.ts";
import type { LayerFault } from "./fault.ts";
import type { Limits } from "../limits.ts";
import type { PaxRecords } from "./pax-records.ts";

/** Where an old GNU header (`S`) has the first four segments, whether more blocks follow, and the file's size. */
const OLD_MAP = { at: 386, segments: 4, extended: 482, realSize: [483, 495] } as const;
/** Each block that follows holds 21 more. */
const OLD_EXTENSION = { at: 0, segments: 21, extended: 504 } as const;
const OLD_NUMBER_BYTES = 12;
const COMMA = 0x2c;
const NEWLINE = 0x0a;
const ZERO = 0x30;
const NINE = 0x39;
/** 2^63 has nineteen digits. More would be leading zeros, without end if they were allowed. */
const LONGEST_NUMBER = 32;

/** Which of the three forms (GNU tar manual, "Storing Sparse Files") the records of an entry announce. */
export function sparseForm(pax: PaxRecords): "none" | "in records" | "in body" {
  if (!pax.has(PaxKey.sparseMajor) && !pax.has(PaxKey.sparseMinor)) return hasRecords(pax);
  const major = pax.text(PaxKey.sparseMajor);
  const minor = pax.text(PaxKey.sparseMinor);
  if (major === "0" && (minor === "0" || minor === "1")) return "in records";
  if (major === "1" && minor === "0") return "in body";
  // A version that nobody knows: a plain file to Go.
  return "none";
}

/** Form 0.0 had no version yet. */
function hasRecords(pax: PaxRecords): "none" | "in records" {
  return pax.has(PaxKey.sparseMap) || pax.sparsePairs.length > 0 ? "in records" : "none";
}

/** The size of an old GNU sparse file, holes included. */
export function oldSparseSize(block: Uint8Array): number {
  return parseNumeric(block, ...OLD_MAP.realSize);
}

/** Where the data of one sparse file lies: segments in rising order, apart from each other, the rest holes. */
export class SparseMap {
  readonly #fault: LayerFault;
  readonly #limits: Limits;
  /** Offset and length of each segment in turn. */
  #numbers = new Float64Array(64);
  count = 0;
  #end = 0;
  #dataBytes = 0;
  // The reader of a map in the body: the number of segments (-1 until it was read), then their numbers.
  #expected = -1;
  #number = 0;
  #digits = 0;
  #offset = -1;

  constructor(fault: LayerFault, limits: Limits) {
    this.#fault = fault;
    this.#limits = limits;
  }

  reset(): void {
    this.count = 0;
    this.#end = 0;
    this.#dataBytes = 0;
    this.#expected = -1;
    this.#number = 0;
    this.#digits = 0;
    this.#offset = -1;
  }

  offset(segment: number): number {
    return this.#numbers[2 * segment]!;
  }

  length(segment: number): number {
    return this.#numbers[2 * segment + 1]!;
  }

  /** Forms 0.0 and 0.1: the map is in the pax records. */
  readRecords(pax: PaxRecords): void {
    const numbers = pax.sparsePairs.length > 0 ? pax.sparsePairs : numbersOfMap(pax);
    if (pax.number(PaxKey.sparseBlocks) * 2 !== numbers.length) {
      throw this.#bad("its number of segments is not the stated one");
    }
    for (let at = 0; at < numbers.length; at += 2) this.#add(numbers[at]!, numbers[at + 1]!);
  }

  /** The old form: a header or a block after it. @returns whether another block follows */
  readBlock(block: Uint8Array, kind: "header" | "extension"): boolean {
    const layout = kind === "header" ? OLD_MAP : OLD_EXTENSION;
    for (let segment = 0; segment < layout.segments; segment++) {
      const at = layout.at + segment * 2 * OLD_NUMBER_BYTES;
      if (block[at] === 0) break;
      const middle = at + OLD_NUMBER_BYTES;
      this.#add(
        parseNumeric(block, at, middle),
        parseNumeric(block, middle, middle + OLD_NUMBER_BYTES),
      );
    }
    return block[layout.extended] !== 0;
  }

  /** Form 1.0: the next block of the body. @returns whether the map is complete; the data begins with the next block */
  readText(block: Uint8Array): boolean {
    for (const byte of block) {
      if (byte === NEWLINE) {
        this.#endNumber();
        if (this.count === this.#expected) return true;
      } else if (byte >= ZERO && byte <= NINE && ++this.#digits <= LONGEST_NUMBER) {
        this.#number = this.#number * 10 + (byte - ZERO);
      } else {
        throw this.#bad("it holds what is no number");
      }
    }
    return false;
  }

  /** @throws ImportError ERR_LAYER_CORRUPT when the map does not fit the file or its data */
  requireFits(sizeBytes: number, dataBytes: number): void {
    if (this.#end > sizeBytes) throw this.#bad("it goes beyond the end of the file");
    if (this.#dataBytes !== dataBytes) {
      throw this.#bad(`it names ${this.#dataBytes} bytes of data, there are ${dataBytes}`);
    }
  }

  #endNumber(): void {
    if (this.#digits === 0) throw this.#bad("it holds what is no number");
    const number = this.#number;
    this.#number = 0;
    this.#digits = 0;
    if (this.#expected < 0) {
      this.#expected = number;
      this.#requireCount(number);
    } else if (this.#offset < 0) {
      this.#offset = number;
    } else {
      this.#add(this.#offset, number);
      this.#offset = -1;
    }
  }

  #add(offset: number, length: number): void {
    const end = offset + length;
    // Also false for NaN, which is what a bad number is.
    if (!(offset >= this.#end && length >= 0)) {
      throw this.#bad("its segments overlap, run backwards, or are no numbers");
    }
    this.#requireCount(this.count + 1);
    if (2 * this.count === this.#numbers.length) {
      const larger = new Float64Array(2 * this.#numbers.length);
      larger.set(this.#numbers);
      this.#numbers = larger;
    }
    this.#numbers[2 * this.count] = offset;
    this.#numbers[2 * this.count + 1] = length;
    this.count++;
    this.#end = end;
    this.#dataBytes += length;
  }

  #requireCount(segments: number): void {
    if (segments <= this.#limits.sparseSegments) return;
    const problem = `the map of a sparse file has ${segments} segments`;
    const met = { limit: "sparseSegments", value: segments, problem } as const;
    throw limitFault(this.#fault, this.#limits, met);
  }

  #bad(problem: string): Error {
    return this.#fault("ERR_LAYER_CORRUPT", `the map of a sparse file is bad: ${problem}`);
  }
}

/** The numbers of `GNU.sparse.map`, separated by commas; NaN for what is none. */
function numbersOfMap(pax: PaxRecords): number[] {
  if (!pax.has(PaxKey.sparseMap)) return [];
  const end = pax.end(PaxKey.sparseMap);
  const numbers: number[] = [];
  for (let at = pax.start(PaxKey.sparseMap); at <= end;) {
    const comma = pax.bytes.indexOf(COMMA, at);
    const numberEnd = comma < 0 || comma > end ? end : comma;
    numbers.push(parseDecimal(pax.bytes, at, numberEnd));
    at = numberEnd + 1;
  }
  return numbers;
}
