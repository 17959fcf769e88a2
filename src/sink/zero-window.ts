/** Zeros become holes in windows of this size: smaller holes save less than the extents that they cost. */
export const ZERO_WINDOW: number = 1 << 16;
const ZEROS = Buffer.alloc(ZERO_WINDOW);

/** A look at three bytes rules out nearly all data; a comparison at memory speed settles the rest. */
export function isZeroWindow(bytes: Uint8Array, at: number): boolean {
  const end = at + ZERO_WINDOW;
  if (bytes[at] !== 0 || bytes[at + ZERO_WINDOW / 2] !== 0 || bytes[end - 1] !== 0) return false;
  return ZEROS.equals(bytes.subarray(at, end));
}
