import { ImportError } from "../../errors.ts";
import { SLOT_BYTES } from "../format.ts";
import { BlockSet, firstBit, setBits } from "./block-set.ts";

const WORD_BITS = 32;
/** Blocks that hold metadata: 8 GiB of them; ten million inodes take up half of that. */
const MOST_SLOTTED_BLOCKS = 2 ** 21;

/**
 * What each part of an image is in use for, as found. Contents of files may be in use many times: chunks are there to be
 * shared. So may shared attributes. Everything else has one owner, and nothing is two of these at once.
 */
export class ImageUsage {
  readonly #blockSize: number;
  readonly #data = new BlockSet();
  /** Blocks of directories, links and maps. */
  readonly #whole = new BlockSet();
  /** Blocks that hold inodes and attributes, a bit a slot of 32 bytes. */
  readonly #slotted = new BlockSet();
  /** Of such a block, where its words are: those of single owners, then those of shared attributes. */
  readonly #wordsOf = new Map<number, number>();
  readonly #wordsPerKind: number;
  #words = new Uint32Array(1024);

  constructor(blockSize: number) {
    this.#blockSize = blockSize;
    this.#wordsPerKind = Math.ceil(blockSize / SLOT_BYTES / WORD_BITS);
  }

  get usedBlocks(): number {
    return this.#data.size + this.#whole.size + this.#slotted.size;
  }

  /** Contents of a file. @returns the first block that is something else @throws ImportError ERR_LIMIT_EXCEEDED */
  claimData(start: number, count: number): number | undefined {
    const taken = this.#whole.firstIn(start, count) ?? this.#slotted.firstIn(start, count);
    if (taken === undefined) this.#data.add(start, count);
    return taken;
  }

  /** Blocks with one owner. @returns the first block that is in use already @throws ImportError ERR_LIMIT_EXCEEDED */
  claimBlocks(start: number, count: number): number | undefined {
    const taken = this.#data.firstIn(start, count) ?? this.#slotted.firstIn(start, count);
    return taken ?? this.#whole.add(start, count);
  }

  /**
   * Bytes with one owner, from a slot on; what is left of their last slot is theirs too.
   * @returns the first block where they are in use already @throws ImportError ERR_LIMIT_EXCEEDED
   */
  claimBytes(from: number, to: number): number | undefined {
    const blockSize = this.#blockSize;
    const firstWhole = Math.ceil(from / blockSize);
    const endWhole = Math.floor(to / blockSize);
    let taken: number | undefined;
    if (endWhole > firstWhole) taken = this.claimBlocks(firstWhole, endWhole - firstWhole);
    for (let block = Math.floor(from / blockSize); block * blockSize < to; block++) {
      if (block >= firstWhole && block < endWhole) block = endWhole;
      if (block * blockSize >= to) break;
      const owned = this.#claimSlots(block, from, to);
      taken ??= owned ? undefined : block;
    }
    return taken;
  }

  /** Of a shared attribute. @returns as `claimBytes`, where something else is */
  claimShared(from: number, to: number): number | undefined {
    const blockSize = this.#blockSize;
    let taken: number | undefined;
    for (let block = Math.floor(from / blockSize); block * blockSize < to; block++) {
      const other = this.#data.firstIn(block, 1) ?? this.#whole.firstIn(block, 1);
      const words = other === undefined ? this.#wordsAt(block) : undefined;
      // It may begin in the slot in which an inode ends.
      const [start, end] = this.#slots(block, Math.ceil(from / SLOT_BYTES) * SLOT_BYTES, to);
      const [own, shared] = words ?? [];
      if (own === undefined || shared === undefined || firstBit(own, start, end) !== undefined) {
        taken ??= block;
      } else setBits(shared, start, end);
    }
    return taken;
  }

  #claimSlots(block: number, from: number, to: number): boolean {
    if (this.#data.firstIn(block, 1) !== undefined) return false;
    if (this.#whole.firstIn(block, 1) !== undefined) return false;
    const [own, shared] = this.#wordsAt(block);
    const [start, end] = this.#slots(block, from, to);
    const isFree =
      firstBit(own, start, end) === undefined && firstBit(shared, start, end) === undefined;
    setBits(own, start, end);
    return isFree;
  }

  /** Slots of a block that these bytes touch. */
  #slots(block: number, from: number, to: number): readonly [number, number] {
    const base = block * this.#blockSize;
    const start = Math.max(0, from - base);
    const end = Math.min(this.#blockSize, to - base);
    return [Math.floor(start / SLOT_BYTES), Math.ceil(end / SLOT_BYTES)];
  }

  #wordsAt(block: number): readonly [Uint32Array, Uint32Array] {
    const count = this.#wordsPerKind;
    const at = this.#wordsOf.get(block) ?? this.#newWords(block);
    const words = this.#words;
    return [words.subarray(at, at + count), words.subarray(at + count, at + 2 * count)];
  }

  #newWords(block: number): number {
    const known = this.#wordsOf.size;
    if (known >= MOST_SLOTTED_BLOCKS) {
      throw new ImportError("ERR_LIMIT_EXCEEDED", "the image has too many blocks of metadata", {
        details: { limit: MOST_SLOTTED_BLOCKS },
      });
    }
    const at = known * 2 * this.#wordsPerKind;
    if (at + 2 * this.#wordsPerKind > this.#words.length) {
      const larger = new Uint32Array(this.#words.length * 2);
      larger.set(this.#words);
      this.#words = larger;
    }
    this.#wordsOf.set(block, at);
    this.#slotted.add(block, 1);
    return at;
  }
}
