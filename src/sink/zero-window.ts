/** Zeros become holes in windows of this size: smaller holes save less than the extents that they cost. */
export const ZERO_WINDOW: number = 1 << 16;
const ZEROS = Buffer.alloc(ZERO_WINDOW);

/** @param end at most a window behind `from` */
export function isZero(bytes: Uint8Array, from: number, end: number): boolean {
  // A look at three bytes rules out nearly all data; a comparison at memory speed settles the rest.
  if (bytes[from] !== 0 || bytes[end - 1] !== 0 || bytes[(from + end) >> 1] !== 0) return false;
  return ZEROS.compare(bytes, from, end, 0, end - from) === 0;
}

/** What a chunk consists of, in its order. Data are a view of the chunk, and never empty. */
export interface ChunkParts {
  readonly onData: (bytes: Uint8Array) => void;
  readonly onHole: (sizeBytes: number) => void;
}

/**
 * Cuts a chunk of a file into data and windows of zeros. Windows are aligned in the file; one that the chunk has only a
 * part of is data.
 * @param start where the chunk begins in the file
 */
export function cutAtZeroWindows(chunk: Uint8Array, start: number, parts: ChunkParts): void {
  let dataFrom = 0;
  const firstWindow = (ZERO_WINDOW - (start % ZERO_WINDOW)) % ZERO_WINDOW;
  for (let at = firstWindow; at + ZERO_WINDOW <= chunk.length; at += ZERO_WINDOW) {
    if (!isZero(chunk, at, at + ZERO_WINDOW)) continue;
    if (at > dataFrom) parts.onData(chunk.subarray(dataFrom, at));
    parts.onHole(ZERO_WINDOW);
    dataFrom = at + ZERO_WINDOW;
  }
  if (dataFrom === 0 && chunk.length > 0) parts.onData(chunk);
  else if (dataFrom < chunk.length) parts.onData(chunk.subarray(dataFrom));
}
