import { monotonicMs } from "./monotonic-clock.ts";

/** What a worker does with the bytes of a layer, in this order. */
export const DECODE_STAGES = ["digest", "inflate", "diffId", "walk", "place"] as const;

export type DecodeStage = (typeof DECODE_STAGES)[number];

/** Their numbers, which index `StageSpan.spentMs`. */
export const Stage = { digest: 0, inflate: 1, diffId: 2, walk: 3, place: 4 } as const;
export type Stage = (typeof Stage)[keyof typeof Stage];

/** One stretch of work on a layer. Plain data that survives `postMessage`. */
export interface StageSpan {
  /** Of `monotonicMs`. */
  readonly startMs: number;
  readonly endMs: number;
  /** In each of `DECODE_STAGES` itself, without those that it calls. */
  readonly spentMs: readonly number[];
}

/**
 * Whose time it is: at any moment that of one stage, so that their times add up. Reading the clock costs 45 ns: stages
 * change with each mebibyte of output, and twice for the body of a file, which costs microseconds to place.
 */
export class StageClock {
  readonly #now: () => number;
  #spentMs: number[] = noTime();
  #startMs: number | undefined;
  #stage: Stage | undefined;
  #sinceMs = 0;

  constructor(now: () => number = monotonicMs) {
    this.#now = now;
  }

  get stage(): Stage | undefined {
    return this.#stage;
  }

  /** From now on it is the time of this stage. */
  enter(stage: Stage): void {
    this.#change(stage);
  }

  /** From now on it is nobody's. */
  leave(): void {
    this.#change(undefined);
  }

  /** @returns the time since the last call; undefined when there was none */
  take(): StageSpan | undefined {
    if (this.#startMs === undefined) return undefined;
    const span = { startMs: this.#startMs, endMs: this.#sinceMs, spentMs: this.#spentMs };
    this.#startMs = undefined;
    this.#spentMs = noTime();
    return span;
  }

  #change(stage: Stage | undefined): void {
    const now = this.#now();
    if (this.#stage !== undefined) this.#spentMs[this.#stage]! += now - this.#sinceMs;
    this.#startMs ??= now;
    this.#sinceMs = now;
    this.#stage = stage;
  }
}

function noTime(): number[] {
  return DECODE_STAGES.map(() => 0);
}
