/** A path of Linux with its NUL (PATH_MAX). Longer ones are walked in steps. */
const PATH_MAX = 4096;
const DIGIT_ZERO = 0x30;

/**
 * A path, name or link target as the C library wants it: bytes with a NUL at the end, in memory that is used again. Only
 * what has passed through here reaches a system call, so an unterminated string cannot.
 */
export class PathBuffer {
  readonly bytes: Uint8Array = new Uint8Array(PATH_MAX);
  /** Without the NUL. */
  length = 0;

  /** @throws RangeError beyond PATH_MAX, which the limits on names and targets exclude */
  set(source: Uint8Array, offset = 0, length: number = source.length - offset): this {
    if (length >= PATH_MAX) throw new RangeError(`a path of ${length} bytes in one system call`);
    const { bytes } = this;
    for (let at = 0; at < length; at++) bytes[at] = source[offset + at]!;
    bytes[length] = 0;
    this.length = length;
    return this;
  }

  setText(text: string): this {
    return this.set(Buffer.from(text));
  }

  /** A non-negative integer in decimal: the name of a body. */
  setNumber(number: number): this {
    let length = 1;
    for (let rest = number; rest >= 10; rest = Math.floor(rest / 10)) length++;
    let rest = number;
    for (let at = length - 1; at >= 0; at--) {
      this.bytes[at] = DIGIT_ZERO + (rest % 10);
      rest = Math.floor(rest / 10);
    }
    this.bytes[length] = 0;
    this.length = length;
    return this;
  }
}
