import type { ImportTimings, StageTiming, TimingStage } from "../progress.ts";
import { findBottleneck } from "./bottleneck.ts";
import { CoveredTime } from "./covered-time.ts";
import { LAYER_STAGES, LayerTime, type LayerStage } from "./layer-time.ts";
import { monotonicMs } from "./monotonic-clock.ts";
import { DECODE_STAGES } from "./stage-clock.ts";
import { rounded, stageTiming } from "./stage-timing.ts";
import type { RecordTiming, TimedPhase, TimingRecord } from "./timing-record.ts";

export interface TimingCollector {
  readonly record: RecordTiming;
  /** After a success: what the records come to. The time ends now. */
  report(): ImportTimings;
}

/** Adds the records of one import up; its time begins now. */
export function collectTimings(now: () => number = monotonicMs): TimingCollector {
  const sums = new TimingSums(now());
  return { record: (record) => sums.add(record), report: () => sums.report(now()) };
}

class TimingSums {
  readonly #startMs: number;
  #image: Extract<TimingRecord, { kind: "image" }> | undefined;
  readonly #layers = new Map<number, LayerTime>();
  readonly #phases = new Map<TimedPhase, number>();
  readonly #fetch = new CoveredTime();
  #pullStartMs: number | undefined;
  #pullEndMs = 0;
  #mergeMs = 0;
  #syncMs = 0;

  constructor(startMs: number) {
    this.#startMs = startMs;
  }

  add(record: TimingRecord): void {
    switch (record.kind) {
      case "image":
        this.#image = record;
        break;
      case "phase":
        this.#addPhase(record);
        break;
      case "layer":
        this.#layer(record.layer).addAttempt(record);
        break;
      case "fetch":
        this.#layer(record.layer).addFetch(record.endMs - record.startMs);
        this.#fetch.add(record.startMs, record.endMs);
        break;
      case "decode":
        this.#layer(record.layer).addDecode(record.spentMs);
        break;
      case "merge":
        this.#mergeMs += record.endMs - record.startMs;
        break;
      case "task":
        this.#syncMs += record.syncMs;
        break;
    }
  }

  report(endMs: number): ImportTimings {
    const layers = [...this.#layers.values()].toSorted((a, b) => a.layer - b.layer);
    const pullStartMs = this.#pullStartMs ?? this.#startMs;
    const sum = (figure: (layer: LayerTime) => number): number =>
      layers.reduce((total, layer) => total + figure(layer), 0);
    return {
      durationMs: rounded(endMs - this.#startMs),
      sizeBytes: sum(({ receivedBytes }) => receivedBytes),
      decodedBytes: sum(({ decodedBytes }) => decodedBytes),
      entries: sum(({ entries }) => entries),
      stages: this.#stages(layers, pullStartMs),
      layers: layers.map((layer) => {
        const { digest = "", sizeBytes = 0 } = this.#image?.layers[layer.layer] ?? {};
        return layer.timings(pullStartMs, { digest, sizeBytes });
      }),
      bottleneck: this.#bottleneck(layers, pullStartMs),
    };
  }

  #layer(layer: number): LayerTime {
    const known = this.#layers.get(layer) ?? new LayerTime(layer);
    this.#layers.set(layer, known);
    return known;
  }

  #addPhase({ phase, startMs, endMs }: Extract<TimingRecord, { kind: "phase" }>): void {
    this.#phases.set(phase, (this.#phases.get(phase) ?? 0) + endMs - startMs);
    if (phase !== "pull") return;
    this.#pullStartMs ??= startMs;
    this.#pullEndMs = endMs;
  }

  #stages(layers: readonly LayerTime[], pullStartMs: number): readonly StageTiming[] {
    const parts = sumOf(layers.map((layer) => layer.parts(pullStartMs)));
    const bytes = (stage: TimingStage): number =>
      layers.reduce((total, layer) => total + (layer.bytesOf(stage) ?? 0), 0);
    return [
      stageTiming("resolve", this.#phases.get("resolve") ?? 0),
      stageTiming("fetch", this.#fetch.totalMs, bytes("fetch")),
      ...DECODE_STAGES.map((stage) => stageTiming(stage, parts.get(stage)!, bytes(stage))),
      stageTiming("merge", this.#mergeMs),
      ...[...this.#ending()].map(([stage, ms]) => stageTiming(stage, ms)),
    ];
  }

  /** What comes after the pull, where there is such a thing. */
  #ending(): ReadonlyMap<TimingStage, number> {
    const ending = new Map<TimingStage, number>();
    const sealMs = this.#phases.get("seal");
    const commitMs = this.#phases.get("commit");
    if (sealMs !== undefined) {
      ending.set("seal", Math.max(0, sealMs - this.#syncMs)).set("sync", this.#syncMs);
    }
    if (commitMs !== undefined) ending.set("commit", commitMs);
    return ending;
  }

  #bottleneck(layers: readonly LayerTime[], pullStartMs: number): ImportTimings["bottleneck"] {
    const parts = layers.map((layer) => layer.parts(pullStartMs));
    const lastEndMs = layers.reduce((last, { endMs }) => Math.max(last, endMs), pullStartMs);
    const last = layers.findIndex(({ endMs }) => endMs === lastEndMs);
    const { layer } = layers[last] ?? {};
    const found = findBottleneck({
      lastLayer: parts[last] ?? new Map(),
      allLayers: sumOf(parts),
      whole: new Map<TimingStage, number>([
        ["resolve", this.#phases.get("resolve") ?? 0],
        ["merge", Math.max(0, this.#pullEndMs - lastEndMs)],
        ...this.#ending(),
      ]),
    });
    return layer === undefined ? found : { ...found, layer };
  }
}

function sumOf(all: readonly ReadonlyMap<LayerStage, number>[]): ReadonlyMap<LayerStage, number> {
  const sums = new Map<LayerStage, number>();
  for (const stage of LAYER_STAGES) {
    sums.set(
      stage,
      all.reduce((total, parts) => total + (parts.get(stage) ?? 0), 0),
    );
  }
  return sums;
}
