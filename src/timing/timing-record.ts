import { monotonicMs } from "./monotonic-clock.ts";
import type { StageSpan } from "./stage-clock.ts";

interface Span {
  /** Of `monotonicMs`. */
  readonly startMs: number;
  readonly endMs: number;
}

/** A layer's figures when an attempt to decode it ends; after a failure, as far as it came. */
export interface LayerFigures {
  readonly receivedBytes: number;
  readonly decodedBytes: number;
  readonly entries: number;
  /** Given to the placer. */
  readonly bodyBytes: number;
}

export type TimedPhase = "resolve" | "pull" | "seal" | "commit";

/** A stretch of an import's time, told when it is over. Layers are counted from 0, the base layer. */
export type TimingRecord =
  | {
      readonly kind: "image";
      readonly reference: string;
      readonly layers: readonly { readonly digest: string; readonly sizeBytes: number }[];
    }
  | ({ readonly kind: "phase"; readonly phase: TimedPhase } & Span)
  /** One attempt at a layer. `starvedMs`: its worker had none of its bytes. */
  | ({ readonly kind: "layer"; readonly layer: number; readonly starvedMs: number } & LayerFigures &
      Span)
  /** A buffer being filled by the source. */
  | ({ readonly kind: "fetch"; readonly layer: number; readonly sizeBytes: number } & Span)
  /** A buffer being worked on. */
  | ({ readonly kind: "decode"; readonly layer: number; readonly worker: number } & StageSpan)
  | ({ readonly kind: "merge" } & Span)
  /** A part of a seal. */
  | ({ readonly kind: "task"; readonly worker: number } & TaskSpan);

/** Of one seal task; plain data that survives `postMessage`. */
export interface TaskSpan extends Span {
  /** Of it, waiting for the disk to have everything. */
  readonly syncMs: number;
}

/** Takes the records of one import. Called on the data path: returns at once and never throws. */
export type RecordTiming = (record: TimingRecord) => void;

/** Records how long a phase takes, whether it fails or not. */
export async function timedPhase<T>(
  record: RecordTiming | undefined,
  phase: TimedPhase,
  action: () => Promise<T>,
): Promise<T> {
  const startMs = monotonicMs();
  try {
    return await action();
  } finally {
    record?.({ kind: "phase", phase, startMs, endMs: monotonicMs() });
  }
}
