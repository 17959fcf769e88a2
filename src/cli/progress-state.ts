import type { ImportEvent } from "../index.ts";

/** What the window of the rate covers: long enough to be calm, short enough to show a stall. */
const RATE_WINDOW_MS = 8000;
const SAMPLE_MS = 200;

export interface LayerState {
  readonly digest: string;
  readonly sizeBytes: number;
  state: "waiting" | "pulling" | "verified";
  receivedBytes: number;
  entries: number;
}

/** An import as seen from its events. `applyEvent` and `takeSample` change it in place: they run on the data path. */
export interface ProgressState {
  readonly startedMs: number;
  phase: "resolve" | "pull" | "seal" | "commit" | "done";
  phaseStartedMs: number;
  layers: readonly LayerState[];
  totalBytes: number;
  receivedBytes: number;
  entries: number;
  verifiedLayers: number;
  /** Received bytes at points of the last seconds, oldest first. */
  samples: { readonly atMs: number; readonly bytes: number }[];
}

export function initialProgress(nowMs: number): ProgressState {
  return {
    startedMs: nowMs,
    phase: "resolve",
    phaseStartedMs: nowMs,
    layers: [],
    totalBytes: 0,
    receivedBytes: 0,
    entries: 0,
    verifiedLayers: 0,
    samples: [],
  };
}

export function applyEvent(state: ProgressState, event: ImportEvent, nowMs: number): void {
  switch (event.type) {
    case "resolved":
      state.layers = event.layers.map(({ digest, sizeBytes }) => ({
        digest,
        sizeBytes,
        state: "waiting",
        receivedBytes: 0,
        entries: 0,
      }));
      state.totalBytes = event.totalBytes;
      // A benchmark resolves before each run.
      state.receivedBytes = 0;
      state.entries = 0;
      state.verifiedLayers = 0;
      state.samples = [];
      state.phaseStartedMs = nowMs;
      enterPhase(state, "pull", nowMs);
      break;
    case "layer_progress":
      applyLayer(state, event);
      takeSample(state, nowMs);
      break;
    case "phase":
      enterPhase(state, event.phase, nowMs);
      break;
    case "done":
      enterPhase(state, "done", nowMs);
      break;
    case "status":
    case "warning":
    case "retry":
    case "request":
    case "timings":
    case "image_registered":
      break;
  }
}

/** Notes how far the import is, so that a stall shows although no event comes. */
export function takeSample(state: ProgressState, nowMs: number): void {
  const last = state.samples.at(-1);
  if (last !== undefined && nowMs - last.atMs < SAMPLE_MS) return;
  state.samples.push({ atMs: nowMs, bytes: state.receivedBytes });
  while (state.samples.length > 2 && nowMs - (state.samples[1]?.atMs ?? nowMs) > RATE_WINDOW_MS) {
    state.samples.shift();
  }
}

/** Bytes a second over the last seconds; undefined until there is something to go by. */
export function currentRate(state: ProgressState, nowMs: number): number | undefined {
  const oldest = state.samples[0];
  if (oldest === undefined || nowMs - oldest.atMs < 500) return undefined;
  return ((state.receivedBytes - oldest.bytes) * 1000) / (nowMs - oldest.atMs);
}

/** Milliseconds until all bytes are here at the current rate. */
export function timeLeftMs(state: ProgressState, nowMs: number): number | undefined {
  const rate = currentRate(state, nowMs);
  if (rate === undefined || rate <= 0) return undefined;
  return (Math.max(0, state.totalBytes - state.receivedBytes) * 1000) / rate;
}

/** 0 … 100, rounded down: 100 means all of it. */
export function percent(done: number, total: number): number {
  return total <= 0 ? 100 : Math.max(0, Math.min(100, Math.floor((done / total) * 100)));
}

function enterPhase(state: ProgressState, phase: ProgressState["phase"], nowMs: number): void {
  if (state.phase === phase) return;
  state.phase = phase;
  state.phaseStartedMs = nowMs;
}

function applyLayer(
  state: ProgressState,
  event: Extract<ImportEvent, { type: "layer_progress" }>,
): void {
  const layer = state.layers[event.layer];
  if (layer === undefined) return;
  state.receivedBytes += event.receivedBytes - layer.receivedBytes;
  state.entries += event.entries - layer.entries;
  if (event.state === "verified" && layer.state !== "verified") state.verifiedLayers += 1;
  layer.state = event.state;
  layer.receivedBytes = event.receivedBytes;
  layer.entries = event.entries;
}
