/*
 * The name hash of hashed directories, written for the reader alone, on purpose: a mistake of the writer's must not check
 * itself.
 */

/** MD4's initial state: what an all-zero `s_hash_seed` stands for. */
const MD4_STATE = [0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476] as const;
const PIECE_BYTES = 32;
const ROUNDS = [
  { constant: 0, order: [0, 1, 2, 3, 4, 5, 6, 7], shifts: [3, 7, 11, 19] },
  { constant: 0x5a827999, order: [1, 3, 5, 7, 0, 2, 4, 6], shifts: [3, 5, 9, 13] },
  { constant: 0x6ed9eba1, order: [3, 7, 2, 6, 1, 5, 0, 4], shifts: [3, 9, 11, 15] },
] as const;
/** Word order and shifts of the 24 steps, flat. */
const ORDER = Int8Array.from(ROUNDS.flatMap(({ order }) => order));
const SHIFTS = Int8Array.from(ROUNDS.flatMap(({ shifts }) => [...shifts, ...shifts]));

export interface NameHash {
  /** Even: what an index compares. */
  readonly major: number;
  readonly minor: number;
}

/**
 * The hash of names in an indexed directory: three rounds of MD4 on eight words (kernel: `fs/ext4/hash.c`,
 * `DX_HASH_HALF_MD4` and its unsigned twin).
 */
export function createHalfMd4(
  seed: readonly number[],
  unsigned: boolean,
): (bytes: Uint8Array, start: number, end: number) => NameHash {
  const start = Int32Array.from(seed.some((word) => word !== 0) ? seed : MD4_STATE);
  const state = new Int32Array(4);
  const words = new Int32Array(8);
  return (bytes, from, end) => {
    state.set(start);
    for (let at = from; at < end; at += PIECE_BYTES) {
      fillWords(words, bytes.subarray(at, end), unsigned);
      halfMd4(state, words);
    }
    const major = (state[1]! & ~1) >>> 0;
    // The largest value means "end of the directory" to 32-bit readers.
    return { major: major === 0xfffffffe ? 0xfffffffc : major, minor: state[2]! >>> 0 };
  };
}

/** Bytes go in most significant first; unfilled places hold the number of bytes that remain, four times. */
function fillWords(words: Int32Array, rest: Uint8Array, unsigned: boolean): void {
  const pad = Math.imul(rest.length, 0x01010101);
  words.fill(pad);
  const bytes = Math.min(rest.length, PIECE_BYTES);
  for (let at = 0; at < bytes; at++) {
    const byte = rest[at]!;
    const value = unsigned || byte < 128 ? byte : byte - 256;
    words[at >>> 2] = value + (words[at >>> 2]! << 8);
  }
}

function halfMd4(state: Int32Array, words: Int32Array): void {
  let a = state[0]!;
  let b = state[1]!;
  let c = state[2]!;
  let d = state[3]!;
  for (let step = 0; step < 24; step++) {
    const round = step >>> 3;
    const mixed =
      round === 0 ? d ^ (b & (c ^ d)) : round === 1 ? (b & c) + ((b ^ c) & d) : b ^ c ^ d;
    const sum = (a + mixed + words[ORDER[step]!]! + ROUNDS[round]!.constant) | 0;
    const shift = SHIFTS[step]!;
    const turned = (sum << shift) | (sum >>> (32 - shift));
    a = d;
    d = c;
    c = b;
    b = turned;
  }
  state[0] = state[0]! + a;
  state[1] = state[1]! + b;
  state[2] = state[2]! + c;
  state[3] = state[3]! + d;
}
