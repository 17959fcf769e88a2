import { ImportError } from "../../errors.ts";
import { DEFAULT_LIMITS } from "../../limits.ts";

export interface InodeFacts {
  readonly number: number;
  /** 1 … 7 as in directory records; 0: unknown. */
  readonly type: number;
  readonly links: number;
  /** Its blocks are its own and on the disk: what they hold may be read. */
  readonly readable: boolean;
}

const READABLE = 0x80;

/** What is known of each inode in use: 19 bytes an inode, found by number. Indexes are in the order of numbers. */
export class InodeIndex {
  #capacity = 1024;
  #count = 0;
  #numbers = new Uint32Array(this.#capacity);
  #names = new Uint32Array(this.#capacity);
  #parents = new Uint32Array(this.#capacity);
  #dotDots = new Uint32Array(this.#capacity);
  #links = new Uint16Array(this.#capacity);
  #types = new Uint8Array(this.#capacity);

  get count(): number {
    return this.#count;
  }

  /** @param inode its number is larger than that of the one before @throws ImportError ERR_LIMIT_EXCEEDED */
  add(inode: InodeFacts): void {
    const limit = DEFAULT_LIMITS.entries;
    if (this.#count >= limit) {
      throw new ImportError("ERR_LIMIT_EXCEEDED", `the image has more than ${limit} inodes`, {
        details: { limit },
      });
    }
    if (this.#count === this.#capacity) this.#grow();
    const index = this.#count++;
    this.#numbers[index] = inode.number;
    this.#links[index] = inode.links;
    this.#types[index] = inode.type | (inode.readable ? READABLE : 0);
  }

  /** @returns -1 when it is not in use */
  indexOf(number: number): number {
    let low = 0;
    let high = this.#count - 1;
    while (low <= high) {
      const middle = (low + high) >>> 1;
      const found = this.#numbers[middle]!;
      if (found === number) return middle;
      if (found < number) low = middle + 1;
      else high = middle - 1;
    }
    return -1;
  }

  numberAt(index: number): number {
    return this.#numbers[index]!;
  }

  typeAt(index: number): number {
    return this.#types[index]! & ~READABLE;
  }

  linksAt(index: number): number {
    return this.#links[index]!;
  }

  isReadable(index: number): boolean {
    return (this.#types[index]! & READABLE) !== 0;
  }

  /** Names that were found for it, `.` and the `..` of its children included. */
  namesAt(index: number): number {
    return this.#names[index]!;
  }

  addName(index: number): void {
    this.#names[index] = this.#names[index]! + 1;
  }

  /** The first directory that names it; 0: none so far. */
  parentAt(index: number): number {
    return this.#parents[index]!;
  }

  setParent(index: number, directory: number): void {
    this.#parents[index] = directory;
  }

  /** What `..` says, of a directory; 0: not read. */
  dotDotAt(index: number): number {
    return this.#dotDots[index]!;
  }

  setDotDot(index: number, directory: number): void {
    this.#dotDots[index] = directory;
  }

  #grow(): void {
    this.#capacity = Math.ceil(this.#capacity * 1.5);
    this.#numbers = enlarged(this.#numbers, new Uint32Array(this.#capacity));
    this.#names = enlarged(this.#names, new Uint32Array(this.#capacity));
    this.#parents = enlarged(this.#parents, new Uint32Array(this.#capacity));
    this.#dotDots = enlarged(this.#dotDots, new Uint32Array(this.#capacity));
    this.#links = enlarged(this.#links, new Uint16Array(this.#capacity));
    this.#types = enlarged(this.#types, new Uint8Array(this.#capacity));
  }
}

function enlarged<T extends Uint32Array | Uint16Array | Uint8Array>(old: T, larger: T): T {
  larger.set(old);
  return larger;
}
