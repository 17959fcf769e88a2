import { printable, type ImportEvent } from "../index.ts";
import { activity, shortDigest } from "./progress-frame.ts";
import { currentRate, percent, timeLeftMs, type ProgressState } from "./progress-state.ts";
import { counted, formatBytes, formatDuration, formatPreciseDuration } from "./quantities.ts";

/** A line at each tenth of the bytes, but none sooner than this after the last one: quick pulls stay short. */
const SHORTEST_GAP_MS = 2000;
/** … and one at least this often, whatever comes: silence would look like a hang. */
const LONGEST_GAP_MS = 10_000;

/** When the last line about the bytes was due, and at which tenth of them. */
export interface LinePace {
  atMs: number;
  tenth: number;
}

/**
 * What one event says in a log; `verbose` tells more of the layers.
 * @param state with the event applied
 * @returns undefined for nothing
 */
export function eventSentence(
  event: ImportEvent,
  state: ProgressState,
  nowMs: number,
  verbose: boolean,
): string | undefined {
  switch (event.type) {
    case "status":
      return event.message;
    case "resolved":
      return resolvedSentence(event);
    case "layer_progress":
      return layerSentence(event, state, verbose);
    case "retry":
      return `Retrying ${printable(event.what)} in ${formatDuration(event.delayMs)} (attempt ${event.attempt}): ${printable(event.why)}`;
    case "request":
      return verbose ? requestSentence(event) : undefined;
    case "phase":
      return event.phase === "seal" ? pullSummary(state, nowMs) : undefined;
    case "warning":
    case "timings":
    case "image_registered":
    case "done":
      return undefined;
    default:
      return event satisfies never;
  }
}

/** A line about the bytes when one is due. */
export function paceSentence(
  state: ProgressState,
  pace: LinePace,
  nowMs: number,
): string | undefined {
  const gap = nowMs - pace.atMs;
  const share = percent(state.receivedBytes, state.totalBytes);
  const tenth = state.phase === "pull" ? Math.floor(share / 10) : pace.tenth;
  if (gap < LONGEST_GAP_MS && (gap < SHORTEST_GAP_MS || tenth <= pace.tenth)) return undefined;
  pace.atMs = nowMs;
  pace.tenth = tenth;
  if (state.phase !== "pull" || state.receivedBytes >= state.totalBytes) {
    return `${activity(state)}: ${formatDuration(nowMs - state.phaseStartedMs)} so far`;
  }
  const rate = currentRate(state, nowMs);
  const left = timeLeftMs(state, nowMs);
  return [
    `Pulled ${share}% (${formatBytes(state.receivedBytes)} of ${formatBytes(state.totalBytes)})`,
    ...(rate === undefined ? [] : [`${formatBytes(rate)}/s`]),
    ...(left === undefined ? [] : [`${formatDuration(left)} left`]),
  ].join(", ");
}

/** Said where the root filesystem begins to be laid out: `Pulled 4 layers, 64.0 MiB in 5.2 s (12.3 MiB/s), 1,234 entries`. */
function pullSummary(state: ProgressState, nowMs: number): string {
  const tookMs = Math.max(1, nowMs - state.startedMs);
  const rate = (state.receivedBytes * 1000) / tookMs;
  return (
    `Pulled ${counted(state.layers.length, "layer")}, ${formatBytes(state.receivedBytes)} in ${formatDuration(tookMs)} ` +
    `(${formatBytes(rate)}/s), ${counted(state.entries, "entry", "entries")}`
  );
}

/** `GET https://ghcr.io/v2/org/app/manifests/1: 200, 1.19 KiB in 82.1 ms` */
function requestSentence(event: Extract<ImportEvent, { type: "request" }>): string {
  const { method, url, range, status, receivedBytes, durationMs, failure } = event;
  const parts = [
    ...(status === undefined ? [] : [String(status)]),
    ...(failure === undefined ? [] : [printable(failure)]),
    `${formatBytes(receivedBytes)} in ${formatPreciseDuration(durationMs)}`,
  ];
  return `${method} ${url}${range === undefined ? "" : ` (${range})`}: ${parts.join(", ")}`;
}

function resolvedSentence(event: Extract<ImportEvent, { type: "resolved" }>): string {
  return (
    `Resolved ${printable(event.reference)} to ${printable(event.manifestDigest)} ` +
    `(${printable(event.platform)}, ${counted(event.layers.length, "layer")}, ${formatBytes(event.totalBytes)})`
  );
}

function layerSentence(
  event: Extract<ImportEvent, { type: "layer_progress" }>,
  state: ProgressState,
  verbose: boolean,
): string | undefined {
  const layer = state.layers[event.layer];
  if (layer === undefined) return undefined;
  const name = `Layer ${event.layer + 1} of ${state.layers.length}`;
  const what = `(${shortDigest(layer.digest)}, ${formatBytes(layer.sizeBytes)})`;
  if (event.state === "verified") {
    const entries = verbose ? `: ${counted(event.entries, "entry", "entries")}` : "";
    return `${name} pulled and verified ${what}${entries}`;
  }
  if (!verbose) return undefined;
  return event.state === "waiting" ? `${name} waits ${what}` : `${name} is being pulled ${what}`;
}
