import { join } from "node:path";
import { MessageChannel, type MessagePort } from "node:worker_threads";
import { blobPath } from "../registry/copy-blobs.ts";
import type { LayerInRegistry } from "../registry/read-image.ts";
import type { FloorTask, SharedRing, WritePlan } from "./floor-task.ts";

/** Of a layer's work, about what hashing and writing its plain bytes is; inflating and the first hash are the rest. */
const WRITING_SHARE = 0.35;
const RING_BYTES = 16 << 20;

export interface FloorOptions {
  readonly threads: number;
  /** The largest layer is inflated by one thread, and hashed and written by another. */
  readonly split: boolean;
  /** Holds copies of the blobs; undefined: they are pulled. */
  readonly blobsPath: string | undefined;
  /** A directory for what is written. */
  readonly outputPath: string;
}

export interface ThreadWork {
  readonly tasks: readonly FloorTask[];
  readonly ports: readonly MessagePort[];
}

/** Deals the layers to threads, the largest first, each to the one with the least to do. */
export function planFloor(
  layers: readonly LayerInRegistry[],
  { threads, split, blobsPath, outputPath }: FloorOptions,
): readonly ThreadWork[] {
  const work = Array.from({ length: threads }, () => ({
    bytes: 0,
    tasks: [] as FloorTask[],
    ports: [] as MessagePort[],
  }));
  const give = (task: FloorTask, bytes: number, ...ports: MessagePort[]): void => {
    const least = work.reduce((best, each) => (each.bytes < best.bytes ? each : best));
    least.bytes += bytes;
    least.tasks.push(task);
    least.ports.push(...ports);
  };
  const largestFirst = layers
    .map((layer, at) => ({ layer, at }))
    .toSorted((a, b) => b.layer.sizeBytes - a.layer.sizeBytes);
  for (const [rank, { layer, at }] of largestFirst.entries()) {
    const plan: WritePlan = { path: join(outputPath, `layer-${at}`), diffId: layer.diffId };
    const decode = {
      kind: "decode",
      layer,
      blobPath: blobsPath === undefined ? undefined : blobPath(blobsPath, layer.digest),
    } as const;
    if (!split || rank > 0 || threads < 2) {
      give({ ...decode, to: plan }, layer.sizeBytes);
      continue;
    }
    const [to, from] = sharedRing();
    give({ ...decode, to }, layer.sizeBytes * (1 - WRITING_SHARE), to.port);
    give({ kind: "write", plan, from }, layer.sizeBytes * WRITING_SHARE, from.port);
  }
  return work;
}

/** The same ring, seen from its two ends. */
function sharedRing(): readonly [SharedRing, SharedRing] {
  const { port1, port2 } = new MessageChannel();
  const bytes = new SharedArrayBuffer(RING_BYTES);
  const taken = new SharedArrayBuffer(4);
  return [
    { port: port1, bytes, taken },
    { port: port2, bytes, taken },
  ];
}
