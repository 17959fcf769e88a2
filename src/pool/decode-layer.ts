import { throwIfCancelled, type ImportError } from "../errors.ts";
import type { LayerSummary } from "../layer/layer-decoder.ts";
import type { LayerPlacement, PlacerPlan } from "../sink/sink.ts";
import { monotonicMs } from "../timing/monotonic-clock.ts";
import { releaseBatches, type ImageTotals } from "./image-totals.ts";
import { createLayerBuffers, type LayerBuffers } from "./layer-buffers.ts";
import type { LayerTiming } from "./layer-timing.ts";
import type { FromWorker, LayerToDecodeOptions } from "./messages.ts";
import type { HeldBatch } from "./packed-batch.ts";
import type { PoolChannel, WorkerPool } from "./worker-pool.ts";

/** Compressed bytes in order, pulled by their consumer; what a source's `ByteStream` is to the pool. */
export interface LayerBytes {
  /** Fills `target`; less than its length only at the end. */
  read(target: Uint8Array): Promise<number>;
  cancel(): void;
  /** How long the worker has had nothing to do so far, ms. */
  watchConsumer?(idleMs: () => number): void;
  /** All of them were decoded, and had their digest. */
  verified?(): Promise<void>;
}

export interface LayerProgress {
  readonly receivedBytes: number;
  readonly decodedBytes: number;
  readonly entries: number;
}

export interface DecodeLayerJob {
  readonly options: LayerToDecodeOptions;
  readonly plan: PlacerPlan;
  readonly bytes: LayerBytes;
  /** Counts the batches of this layer until whoever takes the result lets them go (`releaseBatches`). */
  readonly totals: ImageTotals;
  /** Decompressed on a thread of its own. */
  readonly split: boolean;
  /** Most bytes a buffer between the network and the worker holds. */
  readonly bufferBytes: number;
  readonly signal: AbortSignal;
  readonly onProgress: (progress: LayerProgress) => void;
  readonly timing: LayerTiming | undefined;
}

export interface DecodedLayer {
  /** In archive order. */
  readonly batches: readonly HeldBatch[];
  readonly summary: LayerSummary;
  readonly placement: LayerPlacement;
}

/**
 * Moves one layer's bytes to a worker, where they are verified, decoded and placed. When this has settled, nothing of
 * the layer is being read, decoded or written any more.
 */
export async function decodeLayer(pool: WorkerPool, job: DecodeLayerJob): Promise<DecodedLayer> {
  const buffers = createLayerBuffers(Math.max(1, Math.min(job.bufferBytes, job.options.sizeBytes)));
  const { timing } = job;
  const batches: HeldBatch[] = [];
  let receivedBytes = 0;
  let answered = false;
  let channel: PoolChannel | undefined;

  const outcome = new Promise<Omit<DecodedLayer, "batches">>((resolve, reject) => {
    const onMessage = (message: Exclude<FromWorker, { type: "failed" }>): void => {
      if (message.type === "batch") batches.push(message.batch);
      else if (message.type === "consumed") {
        buffers.give(message.buffer);
        timing?.answered(channel?.worker ?? 0, message.time);
        const { decodedBytes, entries } = message;
        job.onProgress({ receivedBytes, decodedBytes, entries });
      } else if (message.type === "layer-done") {
        answered = true;
        timing?.answered(channel?.worker ?? 0, message.time);
        resolve({ summary: message.summary, placement: message.placement });
      }
    };
    const onFailure = (error: ImportError): void => {
      answered = true;
      buffers.fail(error);
      job.bytes.cancel();
      reject(error);
    };
    const { label, layer, sizeBytes } = job.options;
    const subject = { label, details: { layer: layer + 1 } };
    channel = pool.open(sizeBytes, { subject, onMessage, onFailure });
  });
  // Awaited below in every case; until then a rejection is not an unhandled one.
  outcome.catch(() => undefined);
  if (channel === undefined) throw new Error("a promise's executor runs at once");
  job.bytes.watchConsumer?.(channel.idleMs);

  try {
    const { options, plan, totals, split } = job;
    const timed = timing !== undefined;
    channel.post({ type: "begin-layer", job: channel.job, options, plan, totals, split, timed });
    await sendBytes(job, channel, { buffers, onReceived: (length) => (receivedBytes += length) });
    timing?.given();
    channel.post({ type: "end-layer", job: channel.job });
    const decoded = await outcome;
    await job.bytes.verified?.();
    return { ...decoded, batches };
  } catch (error) {
    // A failure of the worker cancels the stream, whose own error then tells less.
    const first: unknown = answered
      ? await outcome.then(
          () => error,
          (reason: unknown) => reason,
        )
      : error;
    job.bytes.cancel();
    channel.post({ type: "cancel-layer", job: channel.job });
    await outcome.catch(() => undefined);
    releaseBatches(job.totals, batches);
    throw first;
  } finally {
    channel.done();
  }
}

/** Reads the layer to its end, a buffer after the other, as they come back. */
async function sendBytes(
  { bytes, signal, timing }: DecodeLayerJob,
  channel: PoolChannel,
  {
    buffers,
    onReceived,
  }: { readonly buffers: LayerBuffers; readonly onReceived: (length: number) => void },
): Promise<void> {
  for (;;) {
    const buffer = await buffers.take();
    throwIfCancelled(signal);
    const startMs = monotonicMs();
    const length = await bytes.read(new Uint8Array(buffer));
    timing?.fetched(startMs, length);
    if (length === 0) return;
    onReceived(length);
    timing?.given();
    channel.post({ type: "chunk", job: channel.job, buffer, length }, [buffer]);
  }
}
