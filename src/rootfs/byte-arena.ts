import { grownUint8, nextLength } from "./growable.ts";

/** From 1 MiB on: twice what an image may have, so that no copy of 64 MiB is left behind. */
const RESERVED_TIMES = 256;

/**
 * Bytes that are only ever appended: names, link targets, xattrs. Offsets stay valid; `bytes` moves when it grows. In shared
 * memory, since workers read the tree (the one of layer/ is for one thread).
 */
export class ByteArena {
  bytes: Uint8Array = grownUint8(new Uint8Array(0), 0);
  length = 0;

  /** @returns the offset of the copy */
  append(source: Uint8Array, start: number, end: number): number {
    const offset = this.length;
    const needed = offset + end - start;
    if (needed > this.bytes.length) {
      this.bytes = grownUint8(this.bytes, nextLength(this.bytes.length, needed), RESERVED_TIMES);
    }
    // A call of `set` costs more than the few bytes of a name.
    if (end - start > 64) this.bytes.set(source.subarray(start, end), offset);
    else for (let at = start; at < end; at++) this.bytes[offset + at - start] = source[at]!;
    this.length = needed;
    return offset;
  }

  /** Whether the `length` bytes at `offset` are those of `source` from `start` on. */
  holds(offset: number, length: number, source: Uint8Array, start: number): boolean {
    const { bytes } = this;
    for (let at = 0; at < length; at++) {
      if (bytes[offset + at] !== source[start + at]) return false;
    }
    return true;
  }
}
