/**
 * Numbers that follow from a seed, a name and a number, so that one execution of millions can be made again by itself
 * (sfc32, the state from a murmur-like hash of the three).
 */
export class Random {
  #a: number;
  #b: number;
  #c: number;
  #counter = 1;

  constructor(seed: number, stream: string, number = 0) {
    let hash = 0x9e3779b9 ^ (seed >>> 0) ^ Math.floor(seed / 2 ** 32);
    for (let at = 0; at < stream.length; at++) hash = mixed(hash ^ stream.charCodeAt(at));
    this.#a = mixed(hash ^ number);
    this.#b = mixed(this.#a ^ Math.floor(number / 2 ** 32) ^ 0x2545f491);
    this.#c = mixed(this.#b ^ seed);
    for (let round = 0; round < 8; round++) this.next();
  }

  /** 0 … 2^32-1 */
  next(): number {
    const sum = (this.#a + this.#b + this.#counter++) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = ((this.#c << 21) | (this.#c >>> 11)) + sum;
    return sum >>> 0;
  }

  /** 0 … count-1; 0 for a count of 0. */
  below(count: number): number {
    return count <= 1 ? 0 : this.next() % count;
  }

  /** @param parts one time in so many */
  oneIn(parts: number): boolean {
    return this.below(parts) === 0;
  }

  /** Small numbers more often than large ones. */
  skewedBelow(count: number): number {
    return this.below(1 + this.below(count));
  }

  pick<T>(list: readonly T[]): T {
    const found = list[this.below(list.length)];
    if (found === undefined) throw new RangeError("nothing to pick from");
    return found;
  }

  bytes(length: number): Buffer {
    const bytes = Buffer.alloc(length);
    for (let at = 0; at < length; at++) bytes[at] = this.next();
    return bytes;
  }
}

function mixed(value: number): number {
  let hash = value | 0;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}
