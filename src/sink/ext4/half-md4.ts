/**
 * The name hash of ext4's hashed directories: half MD4 over 32 bytes at a time, with signed characters
 * (`fs/ext4/hash.c`, `half_md4_transform` and `str2hashbuf_signed`). The reader has its own on purpose: what checks an
 * image must not be wrong together with what wrote it.
 */

const ROUND_2 = 0x5a82_7999;
const ROUND_3 = 0x6ed9_eba1;
const PIECE_BYTES = 32;
const WORDS = 8;
/** MD4's own start, for a file system without a seed. */
const START = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476];
/** The end of a directory in a 32-bit readdir cookie, and what stands for it (`EXT4_HTREE_EOF_32BIT`). */
const END_OF_DIRECTORY = 0xffff_fffe;
const LARGEST_MAJOR = 0xffff_fffc;

/** Hashes names one after the other; `major` and `minor` are those of the last. */
export class HalfMd4 {
  /** Even: bit 0 belongs to the index. */
  major = 0;
  minor = 0;
  readonly #start: Int32Array;
  readonly #state: Int32Array = new Int32Array(4);
  readonly #words: Int32Array = new Int32Array(WORDS);

  /** @param seed `s_hash_seed`, 16 bytes */
  constructor(seed: Uint8Array) {
    const view = new DataView(seed.buffer, seed.byteOffset, seed.byteLength);
    const words = [0, 4, 8, 12].map((at) => view.getUint32(at, true));
    this.#start = Int32Array.from(words.some((word) => word !== 0) ? words : START);
  }

  /** The hash of `bytes[start, start + length)`. */
  hash(bytes: Uint8Array, start: number, length: number): void {
    this.#state.set(this.#start);
    for (let done = 0; done < length; done += PIECE_BYTES) {
      this.#fillWords(bytes, start + done, length - done);
      transform(this.#state, this.#words);
    }
    const major = (this.#state[1]! & ~1) >>> 0;
    this.major = major === END_OF_DIRECTORY ? LARGEST_MAJOR : major;
    this.minor = this.#state[2]! >>> 0;
  }

  /** @param left bytes from `start` to the name's end: the padding is made of it, also where it is over 32 */
  #fillWords(bytes: Uint8Array, start: number, left: number): void {
    const padding = left | (left << 8) | (left << 16) | (left << 24);
    const taken = Math.min(left, PIECE_BYTES);
    for (let word = 0, at = 0; word < WORDS; word++) {
      let value = padding;
      for (const end = Math.min(at + 4, taken); at < end; at++) {
        // A byte from 0x80 on counts as negative, and so borrows from those before it.
        value = (((bytes[start + at]! << 24) >> 24) + (value << 8)) | 0;
      }
      this.#words[word] = value;
    }
  }
}

function step(a: number, f: number, word: number, shift: number): number {
  const sum = (a + f + word) | 0;
  return (sum << shift) | (sum >>> (32 - shift));
}

function choose(x: number, y: number, z: number): number {
  return z ^ (x & (y ^ z));
}

/** A sum, not an "or": the two never have a bit in common. */
function majority(x: number, y: number, z: number): number {
  return ((x & y) + ((x ^ y) & z)) | 0;
}

function transform(state: Int32Array, words: Int32Array): void {
  let a = state[0]!;
  let b = state[1]!;
  let c = state[2]!;
  let d = state[3]!;
  for (let at = 0; at < WORDS; at += 4) {
    a = step(a, choose(b, c, d), words[at]!, 3);
    d = step(d, choose(a, b, c), words[at + 1]!, 7);
    c = step(c, choose(d, a, b), words[at + 2]!, 11);
    b = step(b, choose(c, d, a), words[at + 3]!, 19);
  }
  for (let at = 1; at >= 0; at--) {
    a = step(a, majority(b, c, d), (words[at]! + ROUND_2) | 0, 3);
    d = step(d, majority(a, b, c), (words[at + 2]! + ROUND_2) | 0, 5);
    c = step(c, majority(d, a, b), (words[at + 4]! + ROUND_2) | 0, 9);
    b = step(b, majority(c, d, a), (words[at + 6]! + ROUND_2) | 0, 13);
  }
  for (let at = 3; at > 0; at -= 2) {
    a = step(a, b ^ c ^ d, (words[at]! + ROUND_3) | 0, 3);
    d = step(d, a ^ b ^ c, (words[at + 4]! + ROUND_3) | 0, 9);
    c = step(c, d ^ a ^ b, (words[at - 1]! + ROUND_3) | 0, 11);
    b = step(b, c ^ d ^ a, (words[at + 3]! + ROUND_3) | 0, 15);
  }
  state[0] = (state[0]! + a) | 0;
  state[1] = (state[1]! + b) | 0;
  state[2] = (state[2]! + c) | 0;
  state[3] = (state[3]! + d) | 0;
}
