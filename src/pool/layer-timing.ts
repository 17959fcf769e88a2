import { monotonicMs } from "../timing/monotonic-clock.ts";
import type { StageSpan } from "../timing/stage-clock.ts";
import type { LayerFigures, RecordTiming } from "../timing/timing-record.ts";
import { createIdleClock } from "./idle-clock.ts";

/** Records where the time of one attempt at a layer goes, as its bytes pass. */
export interface LayerTiming {
  /** A buffer was filled since `startMs`. */
  fetched(startMs: number, sizeBytes: number): void;
  /** The worker has got something to do for this layer. */
  given(): void;
  /** It has answered. */
  answered(worker: number, time: StageSpan | undefined): void;
  /** Once, however the attempt ends. */
  end(figures: LayerFigures): void;
}

/** @param layer 0 is the base layer; its attempt begins now */
export function createLayerTiming(
  layer: number,
  record: RecordTiming,
  now: () => number = monotonicMs,
): LayerTiming {
  const startMs = now();
  const starved = createIdleClock(now);
  return {
    fetched: (fetchStartMs, sizeBytes) => {
      record({ kind: "fetch", layer, startMs: fetchStartMs, endMs: now(), sizeBytes });
    },
    given: () => starved.count(1),
    answered: (worker, time) => {
      starved.count(-1);
      if (time !== undefined) record({ kind: "decode", layer, worker, ...time });
    },
    end: (figures) => {
      const starvedMs = starved.idleMs();
      record({ kind: "layer", layer, startMs, endMs: now(), starvedMs, ...figures });
    },
  };
}
