import { layerLabel } from "./errors.ts";
import type { Limits } from "./limits.ts";
import type { ResolvedImage } from "./oci/image.ts";
import { summarizeImage } from "./oci/summarize-image.ts";
import { decodeLayers } from "./pool/decode-layers.ts";
import { layerProgressEvents } from "./pool/layer-progress.ts";
import { watchMemory } from "./pool/memory-watch.ts";
import type { WorkerPool } from "./pool/worker-pool.ts";
import type { OnEvent } from "./progress.ts";
import { createLayerMerge } from "./rootfs/create-layer-merge.ts";
import type { LayerMerge } from "./rootfs/layer-merge.ts";
import type { RootfsTree } from "./rootfs/rootfs-tree.ts";
import type { LayerOrder, Sink } from "./sink/sink.ts";
import type { ImageSource, WantedPlatform } from "./source/image-source.ts";
import { monotonicMs } from "./timing/monotonic-clock.ts";
import { timedPhase, type RecordTiming } from "./timing/timing-record.ts";

/** What an import and a benchmark have in common: a source, and how it is pulled. */
export interface PullRequest {
  readonly source: ImageSource;
  readonly platform: WantedPlatform;
  readonly workers: number;
  /** What the pull, and what follows it, may add to the memory of the process. */
  readonly memoryBytes: number;
  readonly concurrency: number;
  /** Ceiling of the bytes that the layers may unpack to; undefined: none of its own. */
  readonly stagingBytes: number | undefined;
  readonly limits: Limits;
  readonly signal: AbortSignal;
  readonly emit: OnEvent;
  /** Told where the time goes, where somebody wants to know. */
  readonly recordTiming?: RecordTiming | undefined;
}

/** Where the bodies of the layers go; a sink, or nowhere. */
export type BodiesPlace = Pick<Sink, "placerPlan" | "placed">;

export interface PullParts {
  readonly image: ResolvedImage;
  readonly pool: WorkerPool;
  readonly sink: BodiesPlace;
  readonly order: LayerOrder;
}

/** Runs what a request asks for, and gives it up when it comes to hold more memory than it may. */
export async function withinMemory<Request extends PullRequest, Result>(
  request: Request,
  run: (request: Request) => Promise<Result>,
): Promise<Result> {
  const memory = watchMemory(request.memoryBytes);
  try {
    const signal = AbortSignal.any([request.signal, memory.exceeded]);
    return await run({ ...request, signal });
  } finally {
    memory.stop();
  }
}

/** Asks the source what the image is, and tells it. */
export async function resolveForPull(request: PullRequest): Promise<ResolvedImage> {
  const { source, platform, signal, emit, recordTiming } = request;
  emit({ type: "status", message: `Resolving ${source.reference}...` });
  const image = await timedPhase(recordTiming, "resolve", () => source.resolve(platform, signal));
  for (const warning of image.warnings) emit({ type: "warning", ...warning });
  const summary = summarizeImage(image);
  emit({ type: "resolved", ...summary });
  const { reference, layers } = summary;
  recordTiming?.({ kind: "image", reference, layers });
  return image;
}

/** Pulls all layers, decodes and verifies them, places their bodies, and merges them into one tree. */
export async function pullImage(request: PullRequest, parts: PullParts): Promise<RootfsTree> {
  request.emit({ type: "phase", phase: "pull" });
  return timedPhase(request.recordTiming, "pull", () => runPull(request, parts));
}

async function runPull(
  request: PullRequest,
  { image, pool, sink, order }: PullParts,
): Promise<RootfsTree> {
  const { source, limits, concurrency, recordTiming } = request;
  const count = image.layers.length;
  const merge = timedMerge(
    createLayerMerge(limits, { reference: image.reference, layers: count }),
    recordTiming,
  );
  const progress = layerProgressEvents(request);
  const layers = image.layers.map(({ index, descriptor, diffId }) => ({
    options: {
      label: layerLabel(index, count, image.reference),
      layer: index,
      digest: descriptor.digest,
      sizeBytes: descriptor.sizeBytes,
      diffId,
      limits,
    },
    open: (options: { readonly signal: AbortSignal; readonly fresh: boolean }) =>
      source.openLayer(descriptor, options),
    hasAnotherHost: () => source.hasAnotherHost?.(descriptor) === true,
    cameFromCache: () => source.cameFromCache?.(descriptor) === true,
  }));
  await decodeLayers(pool, layers, {
    concurrency,
    order,
    signal: AbortSignal.any([request.signal, progress.stagingExceeded]),
    placerPlan: (layer) => sink.placerPlan(layer),
    onPlaced: (layer, placement) => sink.placed(layer, placement),
    onLayer: (layer, batches) => merge.addLayer(layer, batches),
    treeBytes: () => merge.metadataBytes,
    onProgress: progress.onProgress,
    onRefetch: progress.onRefetch,
    recordTiming,
  });
  return merge.finish();
}

function timedMerge(merge: LayerMerge, recordTiming: RecordTiming | undefined): LayerMerge {
  if (recordTiming === undefined) return merge;
  const timed = <T>(action: () => T): T => {
    const startMs = monotonicMs();
    try {
      return action();
    } finally {
      recordTiming({ kind: "merge", startMs, endMs: monotonicMs() });
    }
  };
  return {
    get metadataBytes() {
      return merge.metadataBytes;
    },
    addLayer: (layer, batches) => timed(() => merge.addLayer(layer, batches)),
    finish: () => timed(() => merge.finish()),
  };
}
