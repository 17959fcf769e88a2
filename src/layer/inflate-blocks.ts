import { buildHuffmanTable } from "./bit-source.ts";
import type { BitSource, HuffmanTable } from "./bit-source.ts";

const WINDOW = 32_768;
const END_OF_BLOCK = 256;
const CODE_LENGTH_ORDER = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
const LENGTH_BASES = [
  3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131,
  163, 195, 227, 258,
];
const LENGTH_EXTRA = [
  0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0,
];
const DISTANCE_BASES = [
  1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049,
  3073, 4097, 6145, 8193, 12289, 16385, 24577,
];
const distanceExtra = (symbol: number): number => Math.max(0, (symbol >> 1) - 1);

const FIXED_LITERALS = requireTable(
  Uint8Array.from({ length: 288 }, (_, n) => (n < 144 ? 8 : n < 256 ? 9 : n < 280 ? 7 : 8)),
);
/** Symbols 30 and 31 have codes and are never right. */
const FIXED_DISTANCES = requireTable(new Uint8Array(32).fill(5));

function requireTable(lengths: Uint8Array): HuffmanTable {
  const table = buildHuffmanTable(lengths);
  if (table === undefined) throw new RangeError("these lengths are no code");
  return table;
}

/** What a step came to. */
export type StepResult = "more" | "short" | "end" | { readonly problem: string };

/**
 * Deflate (RFC 1951), a step at a time: the way to read gzip where Node's native handle is not what we know. A tenth of
 * its speed, and nothing but the language.
 */
export class InflateBlocks {
  readonly #source: BitSource;
  readonly #emit: (bytes: Uint8Array) => void;
  /** The window of the last 32 KiB, then what was not emitted yet, from `#emitted` to `#filled`. */
  readonly #buffer: Uint8Array;
  #filled = 0;
  #emitted = 0;
  #produced = 0;
  #state: "block" | "stored" | "symbols" | "end" = "block";
  #last = false;
  #stored = 0;
  #literals = FIXED_LITERALS;
  #distances = FIXED_DISTANCES;

  constructor(source: BitSource, outputBytes: number, emit: (bytes: Uint8Array) => void) {
    this.#source = source;
    this.#emit = emit;
    this.#buffer = new Uint8Array(WINDOW + outputBytes);
  }

  /** Ready for the next member: its matches cannot reach back into this one. */
  restart(): void {
    this.#state = "block";
    this.#last = false;
    this.#produced = 0;
  }

  flush(): void {
    if (this.#filled > this.#emitted) {
      this.#emit(this.#buffer.subarray(this.#emitted, this.#filled));
    }
    this.#emitted = this.#filled;
  }

  /** Until the member ends, the input does, or it is bad. */
  run(): Exclude<StepResult, "more"> {
    for (;;) {
      this.#source.mark();
      const result = this.#step();
      if (this.#source.short) {
        this.#source.rewind();
        return "short";
      }
      if (result !== "more") return result;
    }
  }

  #step(): StepResult {
    if (this.#state === "symbols") return this.#copySymbol();
    if (this.#state === "stored") return this.#copyStored();
    if (this.#last) {
      this.#source.alignToByte();
      return "end";
    }
    return this.#startBlock();
  }

  #startBlock(): StepResult {
    const source = this.#source;
    const last = source.read(1) === 1;
    const type = source.read(2);
    if (source.short) return "short";
    let result: StepResult = "more";
    if (type === 0) result = this.#startStored();
    else if (type === 1) this.#useTables(FIXED_LITERALS, FIXED_DISTANCES);
    else if (type === 2) result = this.#readTables();
    else return { problem: "invalid block type" };
    // A block header that is not all there is read again from its first bit.
    if (!source.short) this.#last = last;
    return result;
  }

  #startStored(): StepResult {
    const source = this.#source;
    source.alignToByte();
    const length = source.read(16);
    const complement = source.read(16);
    if (source.short) return "short";
    if ((length ^ complement) !== 0xffff) return { problem: "invalid stored block lengths" };
    source.alignToByte();
    this.#stored = length;
    this.#state = "stored";
    return "more";
  }

  #copyStored(): StepResult {
    const source = this.#source;
    const available = Math.min(this.#stored, source.bytes.length - source.at);
    if (this.#stored > 0 && available === 0) return "short";
    this.#makeRoom(1);
    const length = Math.min(available, this.#buffer.length - this.#filled);
    this.#buffer.set(source.bytes.subarray(source.at, source.at + length), this.#filled);
    source.at += length;
    this.#filled += length;
    this.#produced += length;
    this.#stored -= length;
    if (this.#stored === 0) this.#state = "block";
    return "more";
  }

  #useTables(literals: HuffmanTable, distances: HuffmanTable): void {
    this.#literals = literals;
    this.#distances = distances;
    this.#state = "symbols";
  }

  #readTables(): StepResult {
    const source = this.#source;
    const literals = source.read(5) + 257;
    const distances = source.read(5) + 1;
    const codes = source.read(4) + 4;
    if (literals > 286 || distances > 30) return { problem: "too many length or distance symbols" };
    const codeLengths = new Uint8Array(19);
    for (const symbol of CODE_LENGTH_ORDER.slice(0, codes)) codeLengths[symbol] = source.read(3);
    if (source.short) return "short";
    const table = buildHuffmanTable(codeLengths);
    if (table === undefined) return { problem: "invalid code lengths set" };
    const lengths = readLengths(source, table, literals + distances);
    if (source.short) return "short";
    if (lengths === undefined) return { problem: "invalid bit length repeat" };
    if (lengths[END_OF_BLOCK] === 0) return { problem: "missing end-of-block" };
    const literalTable = buildHuffmanTable(lengths.subarray(0, literals));
    const distanceTable = buildHuffmanTable(lengths.subarray(literals));
    if (literalTable === undefined) return { problem: "invalid literal/lengths set" };
    if (distanceTable === undefined) return { problem: "invalid distances set" };
    this.#useTables(literalTable, distanceTable);
    return "more";
  }

  #copySymbol(): StepResult {
    const source = this.#source;
    const symbol = source.symbol(this.#literals);
    if (source.short) return "short";
    this.#makeRoom(258);
    if (symbol < 0) return { problem: "invalid literal/length code" };
    if (symbol < END_OF_BLOCK) {
      this.#buffer[this.#filled++] = symbol;
      this.#produced++;
    } else if (symbol === END_OF_BLOCK) {
      this.#state = "block";
    } else {
      return this.#copyMatch(symbol - 257);
    }
    return "more";
  }

  #copyMatch(code: number): StepResult {
    const source = this.#source;
    if (code >= LENGTH_BASES.length) return { problem: "invalid literal/length code" };
    const length = LENGTH_BASES[code]! + source.read(LENGTH_EXTRA[code]!);
    const symbol = source.symbol(this.#distances);
    if (source.short) return "short";
    if (symbol < 0 || symbol >= DISTANCE_BASES.length) return { problem: "invalid distance code" };
    const distance = DISTANCE_BASES[symbol]! + source.read(distanceExtra(symbol));
    if (source.short) return "short";
    if (distance > this.#produced) return { problem: "invalid distance too far back" };
    const buffer = this.#buffer;
    const end = this.#filled + length;
    for (let at = this.#filled; at < end; at++) buffer[at] = buffer[at - distance]!;
    this.#filled = end;
    this.#produced += length;
    return "more";
  }

  #makeRoom(bytes: number): void {
    if (this.#filled + bytes <= this.#buffer.length) return;
    this.flush();
    this.#buffer.copyWithin(0, this.#filled - WINDOW, this.#filled);
    this.#filled = WINDOW;
    this.#emitted = WINDOW;
  }
}

/** @returns `undefined` for a repeat of nothing or beyond the end; meaningless when the source ran short */
function readLengths(
  source: BitSource,
  table: HuffmanTable,
  count: number,
): Uint8Array | undefined {
  const lengths = new Uint8Array(count);
  for (let at = 0; at < count && !source.short;) {
    const symbol = source.symbol(table);
    if (symbol < 0) return undefined;
    if (symbol < 16) {
      lengths[at++] = symbol;
      continue;
    }
    if (symbol === 16 && at === 0) return undefined;
    const value = symbol === 16 ? lengths[at - 1]! : 0;
    const repeat =
      symbol === 16 ? 3 + source.read(2) : symbol === 17 ? 3 + source.read(3) : 11 + source.read(7);
    if (at + repeat > count) return undefined;
    lengths.fill(value, at, at + repeat);
    at += repeat;
  }
  return lengths;
}
