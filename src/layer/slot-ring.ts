/** Where a ring lies in the memory that two threads share. */
export interface SlotRingShape {
  readonly slots: number;
  readonly slotBytes: number;
}

const WORD_BYTES = 8;
/** Slots filled so far, and emptied so far; both wrap around. */
const Counter = { filled: 0, emptied: 1 } as const;
const COUNTERS = 2;

/** Bytes of shared memory that a ring takes; a multiple of eight. */
export function slotRingBytes({ slots, slotBytes }: SlotRingShape): number {
  return COUNTERS * WORD_BYTES + slots * (2 * WORD_BYTES + slotBytes);
}

/**
 * A few buffers in shared memory that one thread fills and another one empties, in order and without a copy. Nobody waits
 * in here: whoever finds no slot waits for the other one elsewhere (`ByteExchange`).
 */
export class SlotRing {
  readonly #slots: number;
  readonly #counters: Int32Array;
  readonly #lengths: Float64Array;
  readonly #positions: Float64Array;
  readonly #bytes: readonly Uint8Array[];

  /** @param at a multiple of eight */
  constructor(memory: SharedArrayBuffer, at: number, { slots, slotBytes }: SlotRingShape) {
    this.#slots = slots;
    this.#counters = new Int32Array(memory, at, COUNTERS);
    const lengthsAt = at + COUNTERS * WORD_BYTES;
    this.#lengths = new Float64Array(memory, lengthsAt, slots);
    this.#positions = new Float64Array(memory, lengthsAt + slots * WORD_BYTES, slots);
    const bytesAt = lengthsAt + 2 * slots * WORD_BYTES;
    this.#bytes = Array.from(
      { length: slots },
      (_, slot) => new Uint8Array(memory, bytesAt + slot * slotBytes, slotBytes),
    );
  }

  /** For the one that fills: the next slot, as long as it is not published; undefined when all are full. */
  get free(): Uint8Array | undefined {
    const filled = Atomics.load(this.#counters, Counter.filled);
    const emptied = Atomics.load(this.#counters, Counter.emptied);
    return ((filled - emptied) | 0) === this.#slots ? undefined : this.#bytes[this.#slot(filled)];
  }

  /** @param position whatever goes with the bytes, a whole number */
  publish(length: number, position: number): void {
    const slot = this.#slot(Atomics.load(this.#counters, Counter.filled));
    this.#lengths[slot] = length;
    this.#positions[slot] = position;
    Atomics.add(this.#counters, Counter.filled, 1);
  }

  /** For the one that empties: the oldest full slot, which stays as it is until it is released; undefined when there is none. */
  get full(): { readonly bytes: Uint8Array; readonly position: number } | undefined {
    const emptied = Atomics.load(this.#counters, Counter.emptied);
    if (Atomics.load(this.#counters, Counter.filled) === emptied) return undefined;
    const slot = this.#slot(emptied);
    const bytes = this.#bytes[slot]!.subarray(0, this.#lengths[slot]);
    return { bytes, position: this.#positions[slot]! };
  }

  release(): void {
    Atomics.add(this.#counters, Counter.emptied, 1);
  }

  #slot(counter: number): number {
    return (counter >>> 0) % this.#slots;
  }
}
