import type { ByteArena } from "./byte-arena.ts";

const CACHED = 256;

/** Appends byte runs that often repeat (every file with the same SELinux label), most of the time once. */
export class SharedBlobs {
  readonly #arena: ByteArena;
  readonly #offsets: Float64Array = new Float64Array(CACHED).fill(-1);

  constructor(arena: ByteArena) {
    this.#arena = arena;
  }

  /**
   * @returns the offset of a run equal to `source[start, end)`. Where runs lie is part of the result, so the hash is a
   * fixed one: whoever makes them collide gains a few bytes of our memory.
   */
  append(source: Uint8Array, start: number, end: number): number {
    const length = end - start;
    let hash = length;
    for (let at = start; at < end; at++) hash = (Math.imul(hash, 31) + source[at]!) | 0;
    const place = (hash ^ (hash >>> 16)) & (CACHED - 1);
    const known = this.#offsets[place]!;
    const inside = known >= 0 && known + length <= this.#arena.length;
    if (inside && this.#arena.holds(known, length, source, start)) return known;
    const offset = this.#arena.append(source, start, end);
    this.#offsets[place] = offset;
    return offset;
  }
}
