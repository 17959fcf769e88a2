import type { TimesBuffer } from "./posix.ts";

const LOW = 2 ** 32;
/** Beyond what a double counts exactly; the kernel clamps to what the file system holds long before. */
const MOST_SECONDS = 2 ** 62;

export function createTimes(): TimesBuffer {
  return new Int32Array(8);
}

/**
 * Writes one moment as access and modification time (two `struct timespec` of 64 bits, little-endian). The access time is
 * the entry's too, so that equal images give equal trees.
 */
export function setMoment(times: TimesBuffer, seconds: number, nanoseconds: number): TimesBuffer {
  const whole = Math.min(Math.max(seconds, -MOST_SECONDS), MOST_SECONDS);
  const high = Math.floor(whole / LOW);
  const low = whole - high * LOW;
  for (let at = 0; at < 8; at += 4) {
    // The elements are int32 and take the low 32 bits of what they are given.
    times[at] = low;
    times[at + 1] = high;
    times[at + 2] = nanoseconds;
    times[at + 3] = 0;
  }
  return times;
}
