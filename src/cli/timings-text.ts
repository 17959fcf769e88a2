import type { Bottleneck, ImportTimings, StageTiming, TimingStage } from "../index.ts";
import { displayWidth } from "./display-width.ts";
import type { OutputStream } from "./output-stream.ts";
import { shortDigest } from "./progress-frame.ts";
import { counted, formatBytes, formatPreciseDuration } from "./quantities.ts";
import { tableLines } from "./table-text.ts";

const STAGES: Readonly<Record<TimingStage, string>> = {
  resolve: "resolve",
  turn: "wait for a turn",
  fetch: "fetch",
  starved: "wait for bytes",
  digest: "hash compressed",
  inflate: "inflate",
  diffId: "hash uncompressed",
  walk: "walk archive",
  place: "place files",
  queued: "wait for a worker",
  merge: "merge",
  seal: "seal",
  sync: "sync",
  commit: "commit",
};
const HEADINGS = ["Layer", "Stage", "Bytes", "Time", "Rate", "Share"] as const;
/** Names stand left, figures right. */
const NAME_COLUMNS = 2;

/** What was pulled, a table of stages, and the bottleneck. */
export function timingsText(timings: ImportTimings, stream: OutputStream): string {
  const { durationMs, sizeBytes, decodedBytes, entries, bottleneck } = timings;
  const summary =
    `${formatBytes(sizeBytes)} in ${formatPreciseDuration(durationMs)} (${rate(sizeBytes, durationMs)}), ` +
    `${formatBytes(decodedBytes)} unpacked, ${counted(entries, "entry", "entries")}`;
  const lines = tableLines(HEADINGS, aligned(timingRows(timings)), stream);
  return `${[summary, ...lines, ...bottleneckLines(bottleneck)].join("\n")}\n`;
}

function timingRows({ layers, stages, durationMs }: ImportTimings): readonly (readonly string[])[] {
  const ofLayers = layers.flatMap((layer) =>
    layer.stages.filter(tookTime).map((stage, index) => {
      const name =
        index === 0 ? `${layer.layer + 1}` : index === 1 ? shortDigest(layer.digest) : "";
      // Reading goes on beside the rest, so that it has no part of its own.
      const share = stage.stage === "fetch" ? "" : percentOf(stage.durationMs, layer.durationMs);
      return stageRow(name, stage, share);
    }),
  );
  const ofAll = stages
    .filter(tookTime)
    .map((stage, index) => stageRow(index === 0 ? "all" : "", stage, ""));
  return [...ofLayers, ...ofAll, ["", "in all", "", formatPreciseDuration(durationMs), "", ""]];
}

function tookTime({ durationMs }: StageTiming): boolean {
  return durationMs > 0;
}

function stageRow(layer: string, timing: StageTiming, share: string): readonly string[] {
  const { stage, durationMs, sizeBytes } = timing;
  const bytes =
    sizeBytes === undefined ? ["", ""] : [formatBytes(sizeBytes), rate(sizeBytes, durationMs)];
  return [
    layer,
    STAGES[stage],
    bytes[0] ?? "",
    formatPreciseDuration(durationMs),
    bytes[1] ?? "",
    share,
  ];
}

function aligned(rows: readonly (readonly string[])[]): readonly (readonly string[])[] {
  const widths = HEADINGS.map((heading, column) =>
    rows.reduce(
      (widest, row) => Math.max(widest, displayWidth(row[column] ?? "")),
      displayWidth(heading),
    ),
  );
  return rows.map((row) =>
    row.map((cell, column) => (column < NAME_COLUMNS ? cell : cell.padStart(widths[column] ?? 0))),
  );
}

function bottleneckLines(bottleneck: Bottleneck): readonly string[] {
  const { resource, stage, layer, share, shares } = bottleneck;
  const way = layer === undefined ? "" : `, by the way of layer ${layer + 1}, which ended last`;
  return [
    `Bottleneck: ${resource} (${STAGES[stage]}, ${percentOf(share, 1)} of the time${way})`,
    `Network ${percentOf(shares.network, 1)}, processor ${percentOf(shares.processor, 1)}, disk ${percentOf(shares.disk, 1)}`,
  ];
}

function percentOf(part: number, whole: number): string {
  return whole > 0 ? `${Math.round((part / whole) * 100)}%` : "";
}

function rate(bytes: number, durationMs: number): string {
  return `${formatBytes((bytes * 1000) / Math.max(durationMs, 0.001))}/s`;
}
