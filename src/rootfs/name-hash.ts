/**
 * HalfSipHash-1-3 (Aumasson and Bernstein's SipHash on 32-bit words, as the Linux kernel uses it for its hash tables) of a
 * parent and a name.
 *
 * Keyed on purpose: with a fixed hash, a layer of names that all collide makes every lookup walk all of them, and a
 * million entries take hours. The key is drawn anew for each merge and has no influence on the result.
 */
export class NameHash {
  readonly #key0: number;
  readonly #key1: number;

  constructor(key0: number, key1: number) {
    this.#key0 = key0 | 0;
    this.#key1 = key1 | 0;
  }

  /** @returns 0 … 2^32-1 */
  of(parent: number, bytes: Uint8Array, start: number, end: number): number {
    let v0 = this.#key0;
    let v1 = this.#key1;
    let v2 = 0x6c796765 ^ v0;
    let v3 = 0x74656462 ^ v1;
    const words = (end - start) >>> 2;
    const tail = words + 1;
    // Word 0 is the parent, then whole words of the name, then its last bytes with its length; three rounds to finish.
    for (let round = 0; round <= tail + 3; round++) {
      let word = 0;
      if (round === 0) word = parent;
      else if (round < tail) word = wordAt(bytes, start + (round - 1) * 4);
      else if (round === tail)
        word = tailWord(bytes, start + words * 4, end) ^ ((end - start + 4) << 24);
      else if (round === tail + 1) v2 ^= 0xff;
      v3 ^= word;
      v0 = (v0 + v1) | 0;
      v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
      v0 = (v0 << 16) | (v0 >>> 16);
      v2 = (v2 + v3) | 0;
      v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
      v0 = (v0 + v3) | 0;
      v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
      v2 = (v2 + v1) | 0;
      v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
      v2 = (v2 << 16) | (v2 >>> 16);
      v0 ^= word;
    }
    return (v1 ^ v3) >>> 0;
  }
}

function wordAt(bytes: Uint8Array, at: number): number {
  return bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
}

function tailWord(bytes: Uint8Array, start: number, end: number): number {
  let word = 0;
  for (let at = start; at < end; at++) word |= bytes[at]! << ((at - start) * 8);
  return word;
}
