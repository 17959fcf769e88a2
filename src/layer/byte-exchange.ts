import { SlotRing, slotRingBytes, type SlotRingShape } from "./slot-ring.ts";

/** A chunk of compressed bytes (`layerBufferBytes` has no larger ones) lies in one slot. Powers of two: counters wrap around. */
const INPUT: SlotRingShape = { slots: 2, slotBytes: 2 ** 20 };
const OUTPUT: SlotRingShape = { slots: 4, slotBytes: 2 ** 20 };
const FAILURE_BYTES = 64 * 1024;
const WORD_BYTES = 8;

/** Of `words`. */
const Word = {
  /** Rung for the near side, and for the far one, by counting up. */
  nearBell: 0,
  farBell: 1,
  near: 2,
  far: 3,
  failureBytes: 4,
  /** The kernel's id of the far thread, as `worker-status.ts` has it. */
  thread: 5,
} as const;
const WORDS = Object.keys(Word).length;

export const NearState = { giving: 0, ended: 1, closed: 2 } as const;
export const FarState = { working: 0, done: 1, failed: 2 } as const;

const FAILURE_AT = WORDS * WORD_BYTES;
const INPUT_AT = FAILURE_AT + FAILURE_BYTES;
const OUTPUT_AT = INPUT_AT + slotRingBytes(INPUT);

export function exchangeMemory(): SharedArrayBuffer {
  return new SharedArrayBuffer(OUTPUT_AT + slotRingBytes(OUTPUT));
}

/**
 * What two threads share while the far one decompresses a layer for the near one: compressed bytes one way, plain ones the
 * other, each in order. Both sides look, and then wait for the other one's bell.
 */
export class ByteExchange {
  readonly input: SlotRing;
  readonly output: SlotRing;
  readonly thread: Int32Array;
  readonly #words: Int32Array;
  readonly #failure: Uint8Array;

  /** @param memory made by `exchangeMemory` */
  constructor(memory: SharedArrayBuffer) {
    this.#words = new Int32Array(memory, 0, WORDS);
    this.thread = new Int32Array(memory, Word.thread * Int32Array.BYTES_PER_ELEMENT, 1);
    this.#failure = new Uint8Array(memory, FAILURE_AT, FAILURE_BYTES);
    this.input = new SlotRing(memory, INPUT_AT, INPUT);
    this.output = new SlotRing(memory, OUTPUT_AT, OUTPUT);
  }

  get near(): number {
    return Atomics.load(this.#words, Word.near);
  }

  get far(): number {
    return Atomics.load(this.#words, Word.far);
  }

  /** For the near side: there is no more input, or nobody wants any output. */
  setNear(state: number): void {
    Atomics.store(this.#words, Word.near, state);
    this.ringFar();
  }

  /** For the far side, behind its last output. @param failure JSON */
  setFar(state: number, failure = ""): void {
    const { written } = new TextEncoder().encodeInto(failure, this.#failure);
    this.#words[Word.failureBytes] = written;
    Atomics.store(this.#words, Word.far, state);
    this.ringNear();
  }

  get failure(): string {
    return Buffer.from(this.#failure.slice(0, this.#words[Word.failureBytes])).toString("utf8");
  }

  ringNear(): void {
    this.#ring(Word.nearBell);
  }

  ringFar(): void {
    this.#ring(Word.farBell);
  }

  /** To be read before one looks: what rings in between ends the wait at once. */
  get nearBell(): number {
    return Atomics.load(this.#words, Word.nearBell);
  }

  get farBell(): number {
    return Atomics.load(this.#words, Word.farBell);
  }

  /** @returns false when so much time has passed */
  waitForFar(nearBell: number, timeoutMs: number): boolean {
    return Atomics.wait(this.#words, Word.nearBell, nearBell, timeoutMs) !== "timed-out";
  }

  waitForNear(farBell: number): void {
    Atomics.wait(this.#words, Word.farBell, farBell);
  }

  #ring(word: number): void {
    Atomics.add(this.#words, word, 1);
    Atomics.notify(this.#words, word);
  }
}
