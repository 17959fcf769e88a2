import type { StageTiming, TimingStage } from "../progress.ts";

/** Microseconds are all that such a clock can tell. */
export function rounded(ms: number): number {
  return Math.round(ms * 1000) / 1000;
}

export function stageTiming(stage: TimingStage, ms: number, sizeBytes?: number): StageTiming {
  const durationMs = rounded(ms);
  if (sizeBytes === undefined) return { stage, durationMs };
  if (durationMs === 0) return { stage, durationMs, sizeBytes };
  return { stage, durationMs, sizeBytes, bytesPerSecond: Math.round((sizeBytes * 1000) / ms) };
}
