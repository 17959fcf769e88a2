/** How the arrays of the tree grow, each over a SharedArrayBuffer of its own. */

const FIRST_LENGTH = 1024;
/** From here on a buffer grows in place. */
const IN_PLACE_BYTES = 1 << 20;
/** Address space that such a buffer may grow into, over its size when it is made. Only written pages become memory. */
const RESERVED_TIMES = 64;

declare global {
  /** ES2024, in Node since version 20; the compiler's `lib` is ES2023. */
  interface SharedArrayBuffer {
    readonly maxByteLength: number;
    grow(byteLength: number): void;
  }
  interface SharedArrayBufferConstructor {
    new (byteLength: number, options: { readonly maxByteLength: number }): SharedArrayBuffer;
  }
}

/** Doubling, so that a million appends cost about as much as a million elements. */
export function nextLength(length: number, needed: number): number {
  return Math.max(FIRST_LENGTH, length * 2, needed);
}

/** @param reservedTimes more for what grows without relation to the number of entries */
export function grownUint8(
  old: Uint8Array,
  length: number,
  reservedTimes: number = RESERVED_TIMES,
): Uint8Array {
  const grown = inPlace(old.buffer, length);
  if (grown !== undefined) return new Uint8Array(grown, 0, length);
  const next = new Uint8Array(allocate(length, reservedTimes), 0, length);
  next.set(old);
  return next;
}

export function grownUint16(old: Uint16Array, length: number): Uint16Array {
  const grown = inPlace(old.buffer, length * 2);
  if (grown !== undefined) return new Uint16Array(grown, 0, length);
  const next = new Uint16Array(allocate(length * 2), 0, length);
  next.set(old);
  return next;
}

export function grownUint32(old: Uint32Array, length: number): Uint32Array {
  const grown = inPlace(old.buffer, length * 4);
  if (grown !== undefined) return new Uint32Array(grown, 0, length);
  const next = new Uint32Array(allocate(length * 4), 0, length);
  next.set(old);
  return next;
}

export function grownFloat64(old: Float64Array, length: number): Float64Array {
  const grown = inPlace(old.buffer, length * 8);
  if (grown !== undefined) return new Float64Array(grown, 0, length);
  const next = new Float64Array(allocate(length * 8), 0, length);
  next.set(old);
  return next;
}

/** Copies of large arrays would stay resident as garbage: seen, 212 instead of 125 bytes an entry. */
function inPlace(buffer: ArrayBufferLike, byteLength: number): SharedArrayBuffer | undefined {
  if (!(buffer instanceof SharedArrayBuffer) || byteLength > buffer.maxByteLength) return undefined;
  buffer.grow(byteLength);
  return buffer;
}

/** Small trees are many (one a test, one an import of a small image): they do without address space of their own. */
function allocate(byteLength: number, reservedTimes = RESERVED_TIMES): SharedArrayBuffer {
  if (byteLength < IN_PLACE_BYTES) return new SharedArrayBuffer(byteLength);
  return new SharedArrayBuffer(byteLength, { maxByteLength: byteLength * reservedTimes });
}
