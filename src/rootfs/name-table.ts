import { ByteArena } from "./byte-arena.ts";
import { grownUint32, grownUint8, nextLength } from "./growable.ts";
import type { NameHash } from "./name-hash.ts";
import { NONE, ROOT } from "./rootfs-tree.ts";

/** What a slot of the hash table holds when it holds no name. */
const EMPTY = NONE;
const FIRST_SLOTS = 2048;

/**
 * The names of the tree while it grows: the arrays of `RootfsTree`, and what only the merge needs. Children of a
 * directory are a doubly linked list in the order of their arrival; the `previousSiblings` of a first child is the last
 * one, so that both ends are at hand. A name is found by (parent, bytes) in one open-addressing table.
 */
export class NameTable {
  count = 0;
  /** Names that were not removed. */
  live = 0;
  parents: Uint32Array = new Uint32Array(0);
  firstChildren: Uint32Array = new Uint32Array(0);
  nextSiblings: Uint32Array = new Uint32Array(0);
  previousSiblings: Uint32Array = new Uint32Array(0);
  inodes: Uint32Array = new Uint32Array(0);
  nameOffsets: Uint32Array = new Uint32Array(0);
  nameLengths: Uint8Array = new Uint8Array(0);
  readonly arena: ByteArena = new ByteArena();

  readonly #hash: NameHash;
  /** Kept, so that the table grows and closes gaps without reading names again. */
  #hashes: Uint32Array = new Uint32Array(0);
  #slots: Uint32Array = new Uint32Array(FIRST_SLOTS).fill(EMPTY);

  /** Makes the root, name 0, with inode 0. */
  constructor(hash: NameHash) {
    this.#hash = hash;
    this.#allocate(ROOT);
    this.inodes[ROOT] = 0;
  }

  get nameBytes(): Uint8Array {
    return this.arena.bytes;
  }

  /** @returns the name, or NONE */
  find(parent: number, source: Uint8Array, start: number, end: number): number {
    const hash = this.#hash.of(parent, source, start, end);
    const slots = this.#slots;
    const mask = slots.length - 1;
    const length = end - start;
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const name = slots[slot]!;
      if (name === EMPTY) return NONE;
      if (
        this.#hashes[name] === hash &&
        this.parents[name] === parent &&
        this.nameLengths[name] === length &&
        this.arena.holds(this.nameOffsets[name]!, length, source, start)
      ) {
        return name;
      }
    }
  }

  /** Whether the name was not removed. */
  has(name: number): boolean {
    const start = this.nameOffsets[name]!;
    const end = start + this.nameLengths[name]!;
    return name === ROOT || this.find(this.parents[name]!, this.arena.bytes, start, end) === name;
  }

  /** Appends a child; the caller knows that there is none of that name yet, and sets `inodes`. */
  add(parent: number, source: Uint8Array, start: number, end: number): number {
    const name = this.#allocate(parent);
    this.nameOffsets[name] = this.arena.append(source, start, end);
    this.nameLengths[name] = end - start;
    this.#hashes[name] = this.#hash.of(parent, source, start, end);
    // The root is in no slot. Three quarters full, linear probing still ends after a few steps.
    if (this.live > (this.#slots.length >>> 2) * 3) this.#growSlots();
    else this.#fillSlot(name);
    this.#link(parent, name);
    return name;
  }

  /** Takes one name without children out of its directory and of the table. Its element stays as a gap. */
  remove(name: number): void {
    this.#unlink(name);
    this.#clearSlot(name);
    this.live--;
  }

  #allocate(parent: number): number {
    const name = this.count++;
    if (name >= this.parents.length) this.#grow(nextLength(this.parents.length, name + 1));
    this.parents[name] = parent;
    this.firstChildren[name] = NONE;
    this.nextSiblings[name] = NONE;
    this.previousSiblings[name] = NONE;
    this.live++;
    return name;
  }

  #grow(length: number): void {
    this.parents = grownUint32(this.parents, length);
    this.firstChildren = grownUint32(this.firstChildren, length);
    this.nextSiblings = grownUint32(this.nextSiblings, length);
    this.previousSiblings = grownUint32(this.previousSiblings, length);
    this.inodes = grownUint32(this.inodes, length);
    this.nameOffsets = grownUint32(this.nameOffsets, length);
    this.nameLengths = grownUint8(this.nameLengths, length);
    this.#hashes = grownUint32(this.#hashes, length);
  }

  #link(parent: number, name: number): void {
    const first = this.firstChildren[parent]!;
    if (first === NONE) {
      this.firstChildren[parent] = name;
      this.previousSiblings[name] = name;
      return;
    }
    const last = this.previousSiblings[first]!;
    this.nextSiblings[last] = name;
    this.previousSiblings[name] = last;
    this.previousSiblings[first] = name;
  }

  #unlink(name: number): void {
    const parent = this.parents[name]!;
    const first = this.firstChildren[parent]!;
    const next = this.nextSiblings[name]!;
    const previous = this.previousSiblings[name]!;
    if (name === first) this.firstChildren[parent] = next;
    else this.nextSiblings[previous] = next;
    if (next !== NONE) this.previousSiblings[next] = previous;
    else if (name !== first) this.previousSiblings[first] = previous;
  }

  #fillSlot(name: number): void {
    const slots = this.#slots;
    const mask = slots.length - 1;
    let slot = this.#hashes[name]! & mask;
    while (slots[slot] !== EMPTY) slot = (slot + 1) & mask;
    slots[slot] = name;
  }

  #growSlots(): void {
    const old = this.#slots;
    // Without removed names, so the one that was just added is put in by hand.
    this.#slots = new Uint32Array(old.length * 2).fill(EMPTY);
    for (const name of old) if (name !== EMPTY) this.#fillSlot(name);
    this.#fillSlot(this.count - 1);
  }

  /** Linear probing without tombstones: whoever follows in the run and may move into the gap does (Knuth 6.4, algorithm R). */
  #clearSlot(name: number): void {
    const slots = this.#slots;
    const mask = slots.length - 1;
    let gap = this.#hashes[name]! & mask;
    while (slots[gap] !== name) gap = (gap + 1) & mask;
    for (let slot = (gap + 1) & mask; slots[slot] !== EMPTY; slot = (slot + 1) & mask) {
      const home = this.#hashes[slots[slot]!]! & mask;
      if (((slot - home) & mask) < ((slot - gap) & mask)) continue;
      slots[gap] = slots[slot]!;
      gap = slot;
    }
    slots[gap] = EMPTY;
  }
}
