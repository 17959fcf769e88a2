/** Bits of the compressed stream, least significant first, over chunks that may end anywhere. */
export class BitSource {
  /** Unread bytes start at `at`. */
  bytes: Uint8Array = new Uint8Array(0);
  at = 0;
  /** Set by a read that found too few bits: what was read since the last `mark` counts as not read. */
  short = false;
  #bits = 0;
  #count = 0;
  #markAt = 0;
  #markBits = 0;
  #markCount = 0;

  /** Copies the chunk. The last bytes read stay too: those whose bits are not all used may be asked for again. */
  append(chunk: Uint8Array): void {
    const from = Math.max(0, this.at - 4);
    this.bytes = Buffer.concat([this.bytes.subarray(from), chunk]);
    this.at -= from;
  }

  mark(): void {
    this.#markAt = this.at;
    this.#markBits = this.#bits;
    this.#markCount = this.#count;
  }

  /** Back to the mark, to try again with more bytes. */
  rewind(): void {
    this.at = this.#markAt;
    this.#bits = this.#markBits;
    this.#count = this.#markCount;
    this.short = false;
  }

  /** @param count 0 … 16 */
  read(count: number): number {
    this.#fill(count);
    const value = this.#bits & ((1 << count) - 1);
    this.#drop(count);
    return value;
  }

  /** @returns -1 for bits that are no code */
  symbol(table: HuffmanTable): number {
    this.#fill(table.bits);
    const entry = table.entries[this.#bits & ((1 << table.bits) - 1)]!;
    if ((entry & 15) === 0) {
      this.short ||= this.#count < table.bits;
      return -1;
    }
    this.#drop(entry & 15);
    return entry >> 4;
  }

  /** On to the next whole byte, which `bytes[at]` is then. */
  alignToByte(): void {
    this.at -= this.#count >> 3;
    this.#bits = 0;
    this.#count = 0;
  }

  #fill(count: number): void {
    while (this.#count < count && this.at < this.bytes.length) {
      this.#bits |= this.bytes[this.at++]! << this.#count;
      this.#count += 8;
    }
  }

  #drop(count: number): void {
    if (count > this.#count) {
      this.short = true;
      return;
    }
    this.#bits >>>= count;
    this.#count -= count;
  }
}

/** A lookup of the next `bits` bits: symbol * 16 + length of its code; a length of 0 is no code. */
export interface HuffmanTable {
  readonly bits: number;
  readonly entries: Uint16Array;
}

/** @returns `undefined` for lengths that are no code (RFC 1951 §3.2.2); a single code of one bit is one, as zlib has it */
export function buildHuffmanTable(lengths: Uint8Array): HuffmanTable | undefined {
  const counts = new Uint16Array(16);
  for (const length of lengths) counts[length]!++;
  counts[0] = 0;
  let bits = 15;
  while (bits > 1 && counts[bits] === 0) bits--;
  const next = new Uint16Array(17);
  let room = 1;
  for (let length = 1; length <= 15; length++) {
    room = room * 2 - counts[length]!;
    if (room < 0) return undefined;
    next[length + 1] = (next[length]! + counts[length]!) << 1;
  }
  const codes = lengths.reduce((sum, length) => sum + (length > 0 ? 1 : 0), 0);
  if (room > 0 && (codes > 1 || counts[1] !== codes)) return undefined;
  const entries = new Uint16Array(1 << bits);
  for (let symbol = 0; symbol < lengths.length; symbol++) {
    const length = lengths[symbol]!;
    if (length === 0) continue;
    const step = 1 << length;
    for (let at = reversed(next[length]!++, length); at < entries.length; at += step) {
      entries[at] = (symbol << 4) | length;
    }
  }
  return { bits, entries };
}

function reversed(code: number, length: number): number {
  let result = 0;
  for (let bit = 0; bit < length; bit++) result |= ((code >> bit) & 1) << (length - 1 - bit);
  return result;
}
