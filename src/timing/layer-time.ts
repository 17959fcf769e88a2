import type { LayerTimings, TimingStage } from "../progress.ts";
import { DECODE_STAGES, type DecodeStage } from "./stage-clock.ts";
import { rounded, stageTiming } from "./stage-timing.ts";
import type { TimingRecord } from "./timing-record.ts";

/** Stages whose times add up to all of a layer's time, in the order in which they are told. */
export type LayerStage = "turn" | "starved" | DecodeStage | "queued";
export const LAYER_STAGES: readonly LayerStage[] = ["turn", "starved", ...DECODE_STAGES, "queued"];

type Attempt = Extract<TimingRecord, { kind: "layer" }>;

/** What is known of one layer's time, over all attempts. */
export class LayerTime {
  readonly layer: number;
  receivedBytes = 0;
  decodedBytes = 0;
  entries = 0;
  bodyBytes = 0;
  endMs = 0;
  #fetchMs = 0;
  #starvedMs = 0;
  #attemptsMs = 0;
  readonly #spentMs = DECODE_STAGES.map(() => 0);

  constructor(layer: number) {
    this.layer = layer;
  }

  addFetch(ms: number): void {
    this.#fetchMs += ms;
  }

  addDecode(spentMs: readonly number[]): void {
    for (const [stage, ms] of spentMs.entries()) this.#spentMs[stage]! += ms;
  }

  addAttempt(attempt: Attempt): void {
    this.#attemptsMs += attempt.endMs - attempt.startMs;
    this.#starvedMs += attempt.starvedMs;
    this.receivedBytes += attempt.receivedBytes;
    this.decodedBytes += attempt.decodedBytes;
    this.bodyBytes += attempt.bodyBytes;
    this.entries = attempt.entries;
    this.endMs = attempt.endMs;
  }

  /** @param pullStartMs when the pull of all layers began */
  parts(pullStartMs: number): ReadonlyMap<LayerStage, number> {
    const decoding = this.#spentMs.reduce((sum, ms) => sum + ms, 0);
    const parts = new Map<LayerStage, number>([
      ["turn", Math.max(0, this.endMs - pullStartMs - this.#attemptsMs)],
      ["starved", this.#starvedMs],
      ["queued", Math.max(0, this.#attemptsMs - this.#starvedMs - decoding)],
    ]);
    for (const [index, stage] of DECODE_STAGES.entries()) parts.set(stage, this.#spentMs[index]!);
    return parts;
  }

  get fetchMs(): number {
    return this.#fetchMs;
  }

  /** Of what a stage was busy with; undefined where bytes say nothing. */
  bytesOf(stage: TimingStage): number | undefined {
    if (stage === "fetch" || stage === "digest") return this.receivedBytes;
    if (stage === "place") return this.bodyBytes;
    const decodes = stage === "inflate" || stage === "diffId" || stage === "walk";
    return decodes ? this.decodedBytes : undefined;
  }

  timings(
    pullStartMs: number,
    image: { readonly digest: string; readonly sizeBytes: number },
  ): LayerTimings {
    const parts = this.parts(pullStartMs);
    const of = (stage: TimingStage, ms: number) => stageTiming(stage, ms, this.bytesOf(stage));
    return {
      layer: this.layer,
      ...image,
      decodedBytes: this.decodedBytes,
      entries: this.entries,
      durationMs: rounded(this.endMs - pullStartMs),
      stages: LAYER_STAGES.flatMap((stage) => {
        const timing = of(stage, parts.get(stage)!);
        return stage === "starved" ? [of("fetch", this.#fetchMs), timing] : [timing];
      }),
    };
  }
}
