import { ImportError } from "../errors.ts";
import type { OnEvent } from "../progress.ts";
import type { DecodeLayersOptions } from "./decode-layers.ts";

/** At most ten events a second and layer (progress.ts). */
const INTERVAL_MS = 100;

export interface LayerProgressEvents extends Pick<DecodeLayersOptions, "onProgress" | "onRefetch"> {
  /** Aborts with ERR_DISK_FULL as its reason when the layers unpack to more than `stagingBytes`. */
  readonly stagingExceeded: AbortSignal;
}

/** Turns what the pool reports, buffer by buffer, into events that a user can follow. */
export function layerProgressEvents(options: {
  readonly emit: OnEvent;
  readonly stagingBytes: number | undefined;
}): LayerProgressEvents {
  const { emit, stagingBytes = Infinity } = options;
  const lastEventMs = new Map<number, number>();
  const decodedBytes = new Map<number, number>();
  const exceeded = new AbortController();
  let totalBytes = 0;

  function count(layer: number, bytes: number): void {
    totalBytes += bytes - (decodedBytes.get(layer) ?? 0);
    decodedBytes.set(layer, bytes);
    if (totalBytes > stagingBytes) exceeded.abort(stagingFull(stagingBytes));
  }

  return {
    stagingExceeded: exceeded.signal,
    onProgress: (layer, state, progress) => {
      count(layer, progress.decodedBytes);
      const now = performance.now();
      if (state === "pulling" && now - (lastEventMs.get(layer) ?? -INTERVAL_MS) < INTERVAL_MS)
        return;
      lastEventMs.set(layer, now);
      emit({ type: "layer_progress", layer, state, ...progress });
    },
    onRefetch: (layer, why) => {
      emit({ type: "retry", what: `layer ${layer + 1}`, why: why.message, attempt: 1, delayMs: 0 });
    },
  };
}

function stagingFull(stagingBytes: number): ImportError {
  const limitMb = Math.floor(stagingBytes / 2 ** 20);
  return new ImportError("ERR_DISK_FULL", `the layers unpack to more than ${limitMb} MiB`, {
    hint: "Give the import more room with --builder_disk_mb.",
    details: { limitBytes: stagingBytes },
  });
}
