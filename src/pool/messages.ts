import type { SerializedError } from "../errors.ts";
import type { LayerDecoderOptions, LayerSummary } from "../layer/layer-decoder.ts";
import type { LayerPlacement, PlacerPlan, SealTask } from "../sink/sink.ts";
import type { StageSpan } from "../timing/stage-clock.ts";
import type { TaskSpan } from "../timing/timing-record.ts";
import type { ImageTotals } from "./image-totals.ts";
import type { HeldBatch } from "./packed-batch.ts";

/** What a decoder is told that crosses threads. */
export type LayerToDecodeOptions = Omit<
  LayerDecoderOptions,
  "bodies" | "onBatch" | "onOutput" | "createStream" | "clock"
>;

/**
 * What crosses threads. A worker keeps the order of its messages, so that bytes of a job arrive in sequence; jobs of one
 * worker interleave. Each job is answered by exactly one `layer-done`, `task-done` or `failed`.
 */
export type ToWorker =
  | {
      readonly type: "begin-layer";
      readonly job: number;
      readonly options: LayerToDecodeOptions;
      readonly plan: PlacerPlan;
      readonly totals: ImageTotals;
      /** Decompressed on a thread of its own. */
      readonly split: boolean;
      /** Answers then tell where the time went. */
      readonly timed: boolean;
    }
  /** `buffer` is transferred, and comes back in a `consumed`. */
  | {
      readonly type: "chunk";
      readonly job: number;
      readonly buffer: ArrayBuffer;
      readonly length: number;
    }
  | { readonly type: "end-layer"; readonly job: number }
  | { readonly type: "cancel-layer"; readonly job: number }
  | { readonly type: "seal-task"; readonly job: number; readonly task: SealTask };

export type FromWorker =
  | {
      readonly type: "consumed";
      readonly job: number;
      readonly buffer: ArrayBuffer;
      readonly decodedBytes: number;
      readonly entries: number;
      readonly time: StageSpan | undefined;
    }
  | { readonly type: "batch"; readonly job: number; readonly batch: HeldBatch }
  | {
      readonly type: "layer-done";
      readonly job: number;
      readonly summary: LayerSummary;
      readonly placement: LayerPlacement;
      readonly time: StageSpan | undefined;
    }
  | {
      readonly type: "task-done";
      readonly job: number;
      readonly result: unknown;
      readonly time: TaskSpan;
    }
  | { readonly type: "failed"; readonly job: number; readonly error: SerializedError };
