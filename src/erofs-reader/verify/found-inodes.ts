import { randomBytes } from "node:crypto";
import { ImportError } from "../../errors.ts";
import { DEFAULT_LIMITS } from "../../limits.ts";

/** What became of an inode: not looked at yet, damaged, sound as far as it goes. */
export type InodeState = "found" | "damaged" | "sound";

const STATES: readonly InodeState[] = ["found", "damaged", "sound"];
const STATE_SHIFT = 3;
const TYPE_MASK = 7;

/**
 * The inodes that names lead to, in the order in which they were found: 33 bytes an inode at most, found by number. The
 * order is also that in which they are looked at, so it holds those that wait.
 */
export class FoundInodes {
  #capacity = 1024;
  #count = 0;
  #nids = new Float64Array(this.#capacity);
  #names = new Uint32Array(this.#capacity);
  #links = new Uint32Array(this.#capacity);
  #parents = new Uint32Array(this.#capacity);
  #kinds = new Uint8Array(this.#capacity);
  /** Indexes plus one by a hash of the number; a power of two of places, half of them free at least. */
  #places = new Uint32Array(this.#capacity * 2);
  /** Attack: numbers made to collide; so what they collide by is not known. */
  readonly #key: readonly [number, number];

  constructor() {
    const key = randomBytes(8);
    this.#key = [key.readInt32LE(0) | 1, key.readInt32LE(4) | 1];
  }

  get count(): number {
    return this.#count;
  }

  /** @param type that its first name says @param parent index of the directory that has the name @returns its index */
  add(nid: number, type: number, parent: number): number {
    const limit = DEFAULT_LIMITS.entries;
    if (this.#count >= limit) {
      throw new ImportError("ERR_LIMIT_EXCEEDED", `the image has more than ${limit} inodes`, {
        details: { limit },
      });
    }
    if (this.#count === this.#capacity) this.#grow();
    const index = this.#count++;
    this.#nids[index] = nid;
    this.#parents[index] = parent;
    this.#kinds[index] = type <= TYPE_MASK ? type : 0;
    this.#place(index);
    return index;
  }

  /** @returns -1 when no name led to it so far */
  indexOf(nid: number): number {
    const last = this.#places.length - 1;
    for (let at = this.#hash(nid); ; at = (at + 1) & last) {
      const index = this.#places[at]! - 1;
      if (index === -1 || this.#nids[index] === nid) return index;
    }
  }

  nidAt(index: number): number {
    return this.#nids[index]!;
  }

  /** As its first name says, or once it was looked at, as it is: 1 … 7, 0: unknown. */
  typeAt(index: number): number {
    return this.#kinds[index]! & TYPE_MASK;
  }

  stateAt(index: number): InodeState {
    return STATES[this.#kinds[index]! >>> STATE_SHIFT]!;
  }

  setFacts(
    index: number,
    facts: { readonly type: number; readonly links: number; readonly state: InodeState },
  ): void {
    this.#kinds[index] = facts.type | (STATES.indexOf(facts.state) << STATE_SHIFT);
    this.#links[index] = facts.links;
  }

  linksAt(index: number): number {
    return this.#links[index]!;
  }

  /** Names that were found for it, `.` and the `..` of its children included. */
  namesAt(index: number): number {
    return this.#names[index]!;
  }

  addName(index: number): void {
    this.#names[index] = this.#names[index]! + 1;
  }

  /** Index of the first directory that names it; the root's is its own. */
  parentAt(index: number): number {
    return this.#parents[index]!;
  }

  #hash(nid: number): number {
    const low = Math.imul((nid % 2 ** 32) | 0, this.#key[0]);
    const high = Math.imul(Math.floor(nid / 2 ** 32) + 1, this.#key[1]);
    const mixed = low + high + (low >>> 15);
    return Math.imul(mixed ^ (mixed >>> 13), 0x9e3779b1) >>> (Math.clz32(this.#places.length) + 1);
  }

  #place(index: number): void {
    const last = this.#places.length - 1;
    let at = this.#hash(this.#nids[index]!);
    while (this.#places[at] !== 0) at = (at + 1) & last;
    this.#places[at] = index + 1;
  }

  #grow(): void {
    this.#capacity *= 2;
    this.#nids = enlarged(this.#nids, new Float64Array(this.#capacity));
    this.#names = enlarged(this.#names, new Uint32Array(this.#capacity));
    this.#links = enlarged(this.#links, new Uint32Array(this.#capacity));
    this.#parents = enlarged(this.#parents, new Uint32Array(this.#capacity));
    this.#kinds = enlarged(this.#kinds, new Uint8Array(this.#capacity));
    this.#places = new Uint32Array(this.#capacity * 2);
    for (let index = 0; index < this.#count; index++) this.#place(index);
  }
}

function enlarged<T extends Float64Array | Uint32Array | Uint8Array>(old: T, larger: T): T {
  larger.set(old);
  return larger;
}
