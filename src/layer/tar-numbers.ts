/**
 * Numbers of tar headers and pax records, as Go's archive/tar reads them. Garbage is NaN; what does not fit in 64 bits
 * with a sign is an infinity, so that the caller says whether that is an error (a size) or not (a time).
 */

const BEYOND_INT64 = 2 ** 63;
const SPACE = 0x20;
const ZERO = 0x30;
const SEVEN = 0x37;
const NINE = 0x39;

const isBlank = (byte: number): boolean => byte === SPACE || byte === 0;

/** A field of octal digits with blanks (spaces, NULs) around them; what follows a NUL does not count. All blank is 0. */
export function parseOctal(block: Uint8Array, start: number, end: number): number {
  let at = start;
  while (at < end && isBlank(block[at]!)) at++;
  let value = 0;
  for (; at < end; at++) {
    const byte = block[at]!;
    if (byte >= ZERO && byte <= SEVEN) value = value * 8 + (byte - ZERO);
    else if (byte === 0) return value;
    else return byte === SPACE && allBlank(block, at, end) ? value : Number.NaN;
  }
  return value;
}

function allBlank(block: Uint8Array, start: number, end: number): boolean {
  for (let at = start; at < end; at++) if (!isBlank(block[at]!)) return false;
  return true;
}

/** Octal, or base-256 (GNU, star): first bit set, then two's complement, big-endian. */
export function parseNumeric(block: Uint8Array, start: number, end: number): number {
  const first = block[start]!;
  if (first < 0x80) return parseOctal(block, start, end);
  const inversion = (first & 0x40) !== 0 ? 0xff : 0;
  let value = (first ^ inversion) & 0x7f;
  for (let at = start + 1; at < end; at++) value = value * 256 + (block[at]! ^ inversion);
  if (value >= BEYOND_INT64) return inversion === 0 ? Infinity : -Infinity;
  return inversion === 0 ? value : -value - 1;
}

/** `[+-]digits`, as Go's `strconv.ParseInt(…, 10, 64)` takes them. */
export function parseDecimal(bytes: Uint8Array, start: number, end: number): number {
  const negative = bytes[start] === 0x2d;
  let at = negative || bytes[start] === 0x2b ? start + 1 : start;
  if (at >= end) return Number.NaN;
  let value = 0;
  for (; at < end; at++) {
    const byte = bytes[at]!;
    if (byte < ZERO || byte > NINE) return Number.NaN;
    value = value * 10 + (byte - ZERO);
  }
  if (value >= BEYOND_INT64) value = Infinity;
  return negative ? -value : value;
}

/** A time in whole seconds, rounded down, and nanoseconds from there. */
export interface Timestamp {
  seconds: number;
  nanoseconds: number;
}

/** Absurd times are clamped, never refused (rule 23): they come from broken clocks, not only from attackers. */
export function clampSeconds(seconds: number): number {
  return Math.min(Math.max(seconds, -BEYOND_INT64), BEYOND_INT64);
}

/** `[+-]digits[.digits]` of a pax time record; digits past the ninth are cut off. @returns whether it is one */
export function parsePaxTime(
  bytes: Uint8Array,
  start: number,
  end: number,
  result: Timestamp,
): boolean {
  const found = bytes.indexOf(0x2e, start);
  const point = found < 0 || found > end ? end : found;
  const seconds = parseDecimal(bytes, start, point);
  if (Number.isNaN(seconds)) return false;
  let nanoseconds = 0;
  let weight = 100_000_000;
  for (let at = point + 1; at < end; at++) {
    const byte = bytes[at]!;
    if (byte < ZERO || byte > NINE) return false;
    nanoseconds += (byte - ZERO) * weight;
    // Past the ninth digit the weight is 0 and stays so.
    weight = Math.trunc(weight / 10);
  }
  result.seconds = clampSeconds(seconds);
  result.nanoseconds = nanoseconds;
  // "-0.5" is half a second before 1970: its sign is the first byte's, since -0 has none of its own.
  if (bytes[start] === 0x2d && nanoseconds > 0) {
    result.seconds -= 1;
    result.nanoseconds = 1_000_000_000 - nanoseconds;
  }
  return true;
}
