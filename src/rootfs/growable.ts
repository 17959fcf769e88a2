/** How the arrays of the tree grow: a longer one over a new SharedArrayBuffer, with the old elements in front. */

const FIRST_LENGTH = 1024;

/** Doubling, so that a million appends copy each element about once. Pages that nothing was written to cost no memory. */
export function nextLength(length: number, needed: number): number {
  return Math.max(FIRST_LENGTH, length * 2, needed);
}

export function grownUint8(old: Uint8Array, length: number): Uint8Array {
  const next = new Uint8Array(new SharedArrayBuffer(length));
  next.set(old);
  return next;
}

export function grownUint16(old: Uint16Array, length: number): Uint16Array {
  const next = new Uint16Array(new SharedArrayBuffer(length * 2));
  next.set(old);
  return next;
}

export function grownUint32(old: Uint32Array, length: number): Uint32Array {
  const next = new Uint32Array(new SharedArrayBuffer(length * 4));
  next.set(old);
  return next;
}

export function grownFloat64(old: Float64Array, length: number): Float64Array {
  const next = new Float64Array(new SharedArrayBuffer(length * 8));
  next.set(old);
  return next;
}
