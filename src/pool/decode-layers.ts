import { ImportError, throwIfCancelled, type ErrorCode } from "../errors.ts";
import type { LayerOrder, LayerPlacement, PlacerPlan } from "../sink/sink.ts";
import {
  decodeLayer,
  type DecodedLayer,
  type LayerBytes,
  type LayerProgress,
} from "./decode-layer.ts";
import { countTree, createImageTotals, releaseBatches, type ImageTotals } from "./image-totals.ts";
import { createLayerTiming } from "./layer-timing.ts";
import type { RecordTiming } from "../timing/timing-record.ts";
import { createWindowTurns, type InWindowTurn } from "./large-windows.ts";
import { layerBufferBytes } from "./layer-buffers.ts";
import type { LayerToDecodeOptions } from "./messages.ts";
import { LayerBatches, type HeldBatch } from "./packed-batch.ts";
import { createSplitting } from "./split-layers.ts";
import type { WorkerPool } from "./worker-pool.ts";

/** A layer as the scheduler sees it. */
export interface LayerToDecode {
  readonly options: LayerToDecodeOptions;
  /** Opens its compressed bytes. `fresh`: the first copy did not have its digest. */
  open(options: { readonly signal: AbortSignal; readonly fresh: boolean }): Promise<LayerBytes>;
  /** The copy that was decoded last was a mirror's: whatever it was, there is somebody else to have one from. */
  readonly hasAnotherHost?: () => boolean;
  /** The copy that was decoded last is one of a cache: whatever is wrong with it need not be so with a fresh one. */
  readonly cameFromCache?: () => boolean;
}

export interface DecodeLayersOptions {
  /** Layers under way side by side, at least 1. */
  readonly concurrency: number;
  readonly order: LayerOrder;
  readonly signal: AbortSignal;
  /** A place for the bodies of a layer, a new one for each attempt (`Sink.placerPlan`). */
  readonly placerPlan: (layer: number) => PlacerPlan;
  /** Where its bodies are (`Sink.placed`), before another layer begins. A layer that shares another one's decode places none. */
  readonly onPlaced: (layer: number, placement: LayerPlacement) => void;
  /** In layer order, bottom first, each as soon as it and all below it are decoded. */
  readonly onLayer: (layer: number, batches: LayerBatches) => void;
  /** Bytes of names, links and attributes in the tree that `onLayer` makes, asked for in the middle of it too. */
  readonly treeBytes: () => number;
  readonly onProgress: (
    layer: number,
    state: "pulling" | "verified",
    progress: LayerProgress,
  ) => void;
  readonly onRefetch: (layer: number, why: ImportError) => void;
  readonly recordTiming?: RecordTiming | undefined;
}

/**
 * Decodes all layers side by side, the largest first: started last, it would add its whole length to the end. Bottom-up, one
 * after the other. The first error stops the others and is thrown when everything has come to rest.
 */
export async function decodeLayers(
  pool: WorkerPool,
  layers: readonly LayerToDecode[],
  options: DecodeLayersOptions,
): Promise<void> {
  const stop = new AbortController();
  const signal = AbortSignal.any([options.signal, stop.signal]);
  const { queue, twinsOf } = schedule(layers, options.order);
  const totals = createImageTotals();
  const inWindowTurn = createWindowTurns();
  const split = createSplitting(
    queue.map((index) => layers[index]!.options.sizeBytes),
    { workers: pool.workers, order: options.order },
  );
  const deliver = inOrder(totals, (layer, batches) => {
    const { options: facts } = layers[layer]!;
    const afterEach = (): void => countTree(totals, options.treeBytes(), facts);
    options.onLayer(layer, new LayerBatches(batches, afterEach));
  });
  const errors: unknown[] = [];

  async function lane(): Promise<void> {
    for (let index = queue.shift(); index !== undefined; index = queue.shift()) {
      try {
        throwIfCancelled(signal);
        const decoded = await decodeVerified(pool, layers[index]!, {
          ...options,
          signal,
          totals,
          inWindowTurn,
          split,
        });
        options.onPlaced(index, decoded.placement);
        const twins = twinsOf.get(index) ?? [];
        twinsOf.delete(index);
        const shares = !hasBodies(decoded);
        if (!shares) queue.unshift(...twins);
        deliver(shares ? [index, ...twins] : [index], decoded);
      } catch (error) {
        errors.push(error);
        stop.abort();
        return;
      }
    }
  }

  const most = options.order === "bottom-up" ? 1 : Math.max(1, options.concurrency);
  const lanes = Math.min(most, queue.length);
  await Promise.all(Array.from({ length: lanes }, lane));
  throwIfCancelled(options.signal);
  for (const error of errors) throw error;
}

/**
 * The order in which layers are begun. A blob that stands several times in an image waits for its first decode: what
 * places no bodies (the well-known empty layer) is then applied at each place; else each place gets bodies of its own.
 */
function schedule(
  layers: readonly LayerToDecode[],
  order: LayerOrder,
): {
  readonly queue: number[];
  readonly twinsOf: Map<number, number[]>;
} {
  const firstOf = new Map<string, number>();
  const twinsOf = new Map<number, number[]>();
  const queue: number[] = [];
  for (const [index, { options }] of layers.entries()) {
    const key = `${options.digest.text} ${options.diffId.text}`;
    const first = firstOf.get(key);
    if (first === undefined) {
      firstOf.set(key, index);
      queue.push(index);
    } else twinsOf.set(first, [...(twinsOf.get(first) ?? []), index]);
  }
  if (order === "bottom-up") return { queue, twinsOf };
  const sizeOf = (index: number): number => layers[index]!.options.sizeBytes;
  return { queue: queue.toSorted((a, b) => sizeOf(b) - sizeOf(a) || a - b), twinsOf };
}

function hasBodies({ summary }: DecodedLayer): boolean {
  return summary.bodies > 0;
}

/** Hands over what is complete from the bottom, and lets go of its memory. @returns takes a layer for all its places */
function inOrder(
  totals: ImageTotals,
  onLayer: (layer: number, batches: readonly HeldBatch[]) => void,
): (places: readonly number[], decoded: DecodedLayer) => void {
  const waiting = new Map<number, { readonly decoded: DecodedLayer; readonly isLast: boolean }>();
  let next = 0;
  return (places, decoded) => {
    const last = Math.max(...places);
    for (const place of places) waiting.set(place, { decoded, isLast: place === last });
    for (let layer = waiting.get(next); layer !== undefined; layer = waiting.get(next)) {
      waiting.delete(next);
      const { batches } = layer.decoded;
      onLayer(next, batches);
      if (layer.isLast) releaseBatches(totals, batches);
      next += 1;
    }
  };
}

const WRONG_BYTES: ReadonlySet<ErrorCode> = new Set(["ERR_DIGEST_MISMATCH"]);
/** Attack: a mirror that sends a bomb in a layer's stead. It ends the decode before the digest could tell. */
const MIRROR_FAULTS: ReadonlySet<ErrorCode> = new Set([
  ...WRONG_BYTES,
  "ERR_LIMIT_EXCEEDED",
  "ERR_UNSUPPORTED_MEDIA_TYPE",
]);
/** Limits and the like are told before the digest is known. */
const CACHE_FAULTS: ReadonlySet<ErrorCode> = new Set([
  ...WRONG_BYTES,
  "ERR_LIMIT_EXCEEDED",
  "ERR_SIZE_MISMATCH",
  "ERR_DIFF_ID_MISMATCH",
  "ERR_LAYER_TRUNCATED",
  "ERR_LAYER_CORRUPT",
  "ERR_PATH_ESCAPE",
  "ERR_NAME_TOO_LONG",
  "ERR_UNSUPPORTED_MEDIA_TYPE",
]);

interface AttemptOptions extends DecodeLayersOptions {
  readonly totals: ImageTotals;
  readonly inWindowTurn: InWindowTurn;
  readonly split: (sizeBytes: number) => boolean;
}

/**
 * A blob that does not have its digest is fetched once more, from the start and past the caches (registry-cases BLOB-9):
 * a resumed stream may have joined two different bodies, a cache may hold a bad copy. As long as mirrors send it, from the next host.
 */
async function decodeVerified(
  pool: WorkerPool,
  layer: LayerToDecode,
  options: AttemptOptions,
): Promise<DecodedLayer> {
  for (let fresh = false; ; fresh = true) {
    try {
      return await attemptInTurn(pool, layer, { ...options, fresh });
    } catch (error) {
      if (!(error instanceof ImportError)) throw error;
      const hasAnotherHost = layer.hasAnotherHost?.() === true;
      const others = hasAnotherHost ? MIRROR_FAULTS : WRONG_BYTES;
      const doubtful = !fresh && layer.cameFromCache?.() === true ? CACHE_FAULTS : others;
      if (!doubtful.has(error.code)) throw error;
      if (fresh && !hasAnotherHost) throw error;
      options.onRefetch(layer.options.layer, error);
    }
  }
}

async function attemptInTurn(
  pool: WorkerPool,
  layer: LayerToDecode,
  options: AttemptOptions & { readonly fresh: boolean },
): Promise<DecodedLayer> {
  return options.inWindowTurn(layer.options.limits, (limits) =>
    attempt(pool, { ...layer, options: { ...layer.options, limits } }, options),
  );
}

async function attempt(
  pool: WorkerPool,
  layer: LayerToDecode,
  options: AttemptOptions & { readonly fresh: boolean },
): Promise<DecodedLayer> {
  const { signal, fresh, recordTiming } = options;
  throwIfCancelled(signal);
  const index = layer.options.layer;
  let progress: LayerProgress = { receivedBytes: 0, decodedBytes: 0, entries: 0 };
  let bodyBytes = 0;
  const onProgress = (soFar: LayerProgress): void => {
    progress = soFar;
    options.onProgress(index, "pulling", soFar);
  };
  onProgress(progress);
  const timing = recordTiming === undefined ? undefined : createLayerTiming(index, recordTiming);
  try {
    const decoded = await decodeLayer(pool, {
      options: layer.options,
      plan: options.placerPlan(index),
      bytes: await layer.open({ signal, fresh }),
      totals: options.totals,
      split: options.split(layer.options.sizeBytes),
      bufferBytes: layerBufferBytes(options.concurrency),
      signal,
      onProgress,
      timing,
    });
    const { compressedBytes: receivedBytes, decodedBytes, entries } = decoded.summary;
    progress = { receivedBytes, decodedBytes, entries };
    bodyBytes = decoded.summary.bodyBytes;
    options.onProgress(index, "verified", progress);
    return decoded;
  } finally {
    timing?.end({ ...progress, bodyBytes });
  }
}
