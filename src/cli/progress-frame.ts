import { cutToWidth, displayWidth } from "./display-width.ts";
import { printable } from "../index.ts";
import {
  currentRate,
  percent,
  timeLeftMs,
  type LayerState,
  type ProgressState,
} from "./progress-state.ts";
import { counted, formatBytes, formatDuration } from "./quantities.ts";

export interface FrameSize {
  readonly columns: number;
  readonly rows: number;
  readonly unicode: boolean;
}

const DIGEST_CHARACTERS = 12;
const BAR = { widest: 40, narrowest: 8 };
/** `1023 MiB / 1023 MiB` */
const BYTES_COLUMNS = 19;

/**
 * The live view: a line a layer, then the totals. It never takes the last column (terminals would wrap) or the last row
 * (the cursor stands there). Layers that do not fit are counted in one line; those being pulled are shown first.
 * @returns lines without line ends
 */
export function progressFrame(
  state: ProgressState,
  nowMs: number,
  size: FrameSize,
): readonly string[] {
  const columns = Math.max(1, size.columns - 1);
  const mark = size.unicode ? "…" : "...";
  const room = Math.max(1, size.rows - 1) - 1;
  const { shown, hidden } = pickLayers(state.layers, room);
  const lines = shown.map((index) => layerLine(state, index, columns, size.unicode));
  if (hidden.length > 0 && room > 0) {
    lines.push(`  ${mark} ${hiddenSummary(hidden.map((index) => state.layers[index]))}`);
  }
  lines.push(`  ${totalsLine(state, nowMs, { columns: columns - 2, unicode: size.unicode })}`);
  return lines.map((line) => cutToWidth(line, columns, mark));
}

const ACTIVITIES = {
  resolve: "Resolving",
  pull: "Pulling",
  seal: "Writing the root filesystem",
  commit: "Registering",
  done: "Done",
} as const;

/** What is being done, in words; shared with the plain lines. */
export function activity(state: ProgressState): string {
  const allReceived = state.phase === "pull" && state.receivedBytes >= state.totalBytes;
  return allReceived ? "Unpacking" : ACTIVITIES[state.phase];
}

/** Where not all fits, the bytes go before the rate and the time left do. */
function totalsLine(
  state: ProgressState,
  nowMs: number,
  { columns, unicode }: { readonly columns: number; readonly unicode: boolean },
): string {
  const between = unicode ? " · " : ", ";
  const line = totals(state, nowMs).join(between);
  if (state.phase !== "pull" || displayWidth(line) <= columns) return line;
  const [what = "", , ...rest] = totals(state, nowMs);
  return [what, `${percent(state.receivedBytes, state.totalBytes)}%`, ...rest].join(between);
}

function totals(state: ProgressState, nowMs: number): readonly string[] {
  if (state.phase !== "pull") {
    const since = state.phase === "resolve" ? state.startedMs : state.phaseStartedMs;
    const entries = state.entries > 0 ? [counted(state.entries, "entry", "entries")] : [];
    return [activity(state), ...entries, formatDuration(nowMs - since)];
  }
  const rate = currentRate(state, nowMs);
  const left = timeLeftMs(state, nowMs);
  const pulling = state.receivedBytes < state.totalBytes;
  return [
    `${activity(state)} ${state.verifiedLayers}/${state.layers.length} layers`,
    `${formatBytes(state.receivedBytes)} of ${formatBytes(state.totalBytes)} (${percent(state.receivedBytes, state.totalBytes)}%)`,
    ...(pulling && rate !== undefined ? [`${formatBytes(rate)}/s`] : []),
    ...(pulling && left !== undefined ? [`${formatDuration(left)} left`] : []),
  ];
}

/** Layers in their order; when there are too many, first those being pulled, then those waiting, then the finished ones. */
function pickLayers(
  layers: readonly LayerState[],
  room: number,
): { readonly shown: readonly number[]; readonly hidden: readonly number[] } {
  const all = layers.map((_, index) => index);
  if (layers.length <= room) return { shown: all, hidden: [] };
  const rank = { pulling: 0, waiting: 1, verified: 2 };
  const byInterest = all.toSorted(
    (left, right) =>
      rank[layers[left]?.state ?? "waiting"] - rank[layers[right]?.state ?? "waiting"] ||
      left - right,
  );
  const chosen = new Set(byInterest.slice(0, Math.max(0, room - 1)));
  return {
    shown: all.filter((index) => chosen.has(index)),
    hidden: all.filter((index) => !chosen.has(index)),
  };
}

function hiddenSummary(layers: readonly (LayerState | undefined)[]): string {
  const states = ["pulling", "waiting", "verified"] as const;
  const parts = states
    .map((name) => ({ name, count: layers.filter((layer) => layer?.state === name).length }))
    .filter(({ count }) => count > 0)
    .map(({ name, count }) => `${count} ${name}`);
  return `${counted(layers.length, "more layer")}: ${parts.join(", ")}`;
}

function layerLine(state: ProgressState, index: number, columns: number, unicode: boolean): string {
  const layer = state.layers[index];
  if (layer === undefined) return "";
  const count = String(state.layers.length);
  const ordinal = `${String(index + 1).padStart(count.length)}/${count}`;
  const digest = shortDigest(layer.digest).padEnd(DIGEST_CHARACTERS);
  const bytes = layerBytes(layer).padStart(BYTES_COLUMNS);
  const end = `${bytes}  ${layerStateText(layer)}`;
  const fixed = `  ${ordinal}  ${digest}  `.length + 2 + BYTES_COLUMNS + 2 + "unpacking".length;
  const barColumns = Math.min(BAR.widest, columns - fixed);
  if (barColumns >= BAR.narrowest) {
    return `  ${ordinal}  ${digest}  ${bar(layer, barColumns, unicode)}  ${end}`;
  }
  return columns >= fixed - 2
    ? `  ${ordinal}  ${digest}  ${end}`
    : `  ${ordinal}  ${layerBytes(layer)}  ${layerStateText(layer)}`;
}

function layerBytes({ state, receivedBytes, sizeBytes }: LayerState): string {
  return state === "pulling"
    ? `${formatBytes(receivedBytes)} / ${formatBytes(sizeBytes)}`
    : formatBytes(sizeBytes);
}

function layerStateText({ state, receivedBytes, sizeBytes }: LayerState): string {
  if (state !== "pulling") return state;
  return receivedBytes < sizeBytes ? `${percent(receivedBytes, sizeBytes)}%` : "unpacking";
}

function bar(
  { state, receivedBytes, sizeBytes }: LayerState,
  columns: number,
  unicode: boolean,
): string {
  const share =
    state === "verified" || sizeBytes <= 0
      ? Number(state === "verified")
      : receivedBytes / sizeBytes;
  const filled = Math.max(0, Math.min(columns, Math.floor(share * columns)));
  const [full, empty] = unicode ? ["█", "░"] : ["#", "."];
  return full.repeat(filled) + empty.repeat(columns - filled);
}

/** The first 12 hex digits, as `docker pull` names layers. */
export function shortDigest(digest: string): string {
  return printable(digest.slice(digest.indexOf(":") + 1), DIGEST_CHARACTERS).slice(
    0,
    DIGEST_CHARACTERS,
  );
}
