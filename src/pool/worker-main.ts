import { parentPort, workerData } from "node:worker_threads";
import { cancellation, ImportError, serializeError } from "../errors.ts";
import type { EntryBatch } from "../layer/entry-batch.ts";
import type { LayerDecoder, LayerDecoderOptions } from "../layer/layer-decoder.ts";
import { createLayerDecoder } from "../layer/create-layer-decoder.ts";
import type { BodyPlacer } from "../sink/sink.ts";
import { countProgress, showProgressIn } from "../sink/work-progress.ts";
import { takeSyncMs } from "../sink/sync-time.ts";
import { monotonicMs } from "../timing/monotonic-clock.ts";
import { Stage, StageClock } from "../timing/stage-clock.ts";
import { createThreadedStream } from "./threaded-stream.ts";
import { timedPlacer } from "./timed-placer.ts";
import { createPlacer, runSealTask } from "./worker-side.ts";
import { tellThread } from "./thread-number.ts";
import { workerStatus } from "./worker-status.ts";
import { DecodedShare, heldSoFar, holdBatch, type ImageTotals } from "./image-totals.ts";
import type { FromWorker, LayerToDecodeOptions, ToWorker } from "./messages.ts";
import { packBatch, type HeldBatch } from "./packed-batch.ts";

/** A layer that this worker decodes: several may interleave, each in the order of its bytes. */
interface LayerJob {
  readonly decoder: LayerDecoder;
  readonly placer: BodyPlacer;
  readonly share: DecodedShare;
  /** Where the time is taken. */
  readonly clock: StageClock | undefined;
}

/** So much waits as it is; more is packed first: ordinary images never wait for that. */
const UNPACKED_BYTES = 32 * 2 ** 20;

const port = parentPort;
if (port === null) throw new Error("worker-main.ts runs as a worker thread only");

if (!(workerData instanceof SharedArrayBuffer)) throw new Error("a worker has a status");
const status = workerStatus(workerData);
tellThread(status);
showProgressIn(status.steps);

const jobs = new Map<number, LayerJob>();

function answer(message: FromWorker, transfer: ArrayBuffer[] = []): void {
  port?.postMessage(message, transfer);
}

/** The buffers of a batch: it owns them (layer-decoder.ts), so they move instead of being copied. */
function buffersOf(batch: HeldBatch): ArrayBuffer[] {
  const buffers = Object.values(batch).flatMap((column: unknown) =>
    ArrayBuffer.isView(column) && column.buffer instanceof ArrayBuffer ? [column.buffer] : [],
  );
  return [...new Set(buffers)];
}

function beginLayer(message: ToWorker & { type: "begin-layer" }): void {
  const { job, options, plan, totals, split, timed } = message;
  const clock = timed ? new StageClock() : undefined;
  const stepping = steppingPlacer(createPlacer(plan));
  const placer = clock === undefined ? stepping : timedPlacer(stepping, clock);
  const share = new DecodedShare(totals, options);
  const decoder = createLayerDecoder({
    ...options,
    bodies: placer,
    onBatch: (whole) => {
      const batch = toBeHeld(whole, totals);
      holdBatch(totals, batch, options);
      answer({ type: "batch", job, batch }, buffersOf(batch));
    },
    onOutput: (soFar) => {
      countProgress();
      share.count(soFar);
    },
    ...(split ? { createStream: threadedStreams(options) } : {}),
    ...(clock === undefined ? {} : { clock }),
  });
  jobs.set(job, { decoder, placer, share, clock });
}

function threadedStreams({
  label,
  layer,
}: LayerToDecodeOptions): NonNullable<LayerDecoderOptions["createStream"]> {
  return (compression, options) => createThreadedStream(compression, { ...options, label, layer });
}

/** Counts each call as progress: a disk may take its time for every small file. */
function steppingPlacer(placer: BodyPlacer): BodyPlacer {
  return {
    begin: (sizeBytes, attributes) => {
      countProgress();
      placer.begin(sizeBytes, attributes);
    },
    write: (chunk) => placer.write(chunk),
    skip: (sizeBytes) => placer.skip(sizeBytes),
    end: () => {
      countProgress();
      return placer.end();
    },
    finish: () => placer.finish(),
    close: () => placer.close(),
  };
}

function toBeHeld(batch: EntryBatch, totals: ImageTotals): HeldBatch {
  return heldSoFar(totals) < UNPACKED_BYTES ? batch : packBatch(batch);
}

function consume({ job, buffer, length }: ToWorker & { type: "chunk" }): void {
  const layer = jobs.get(job);
  // A job that failed is gone; its buffers still go home.
  layer?.decoder.push(new Uint8Array(buffer, 0, length));
  const { decodedBytes, entries } = layer?.decoder ?? { decodedBytes: 0, entries: 0 };
  const time = layer?.clock?.take();
  answer({ type: "consumed", job, buffer, decodedBytes, entries, time }, [buffer]);
}

function endLayer(job: number): void {
  const layer = jobs.get(job);
  if (layer === undefined) return;
  const summary = layer.decoder.finish();
  layer.clock?.enter(Stage.place);
  const placement = layer.placer.finish();
  closeLayer(job);
  layer.clock?.leave();
  answer({ type: "layer-done", job, summary, placement, time: layer.clock?.take() });
}

function closeLayer(job: number): void {
  const layer = jobs.get(job);
  jobs.delete(job);
  layer?.decoder.close();
  layer?.placer.close();
}

function fail(job: number, cause: unknown): void {
  jobs.get(job)?.share.release();
  try {
    closeLayer(job);
  } catch {
    // The first failure is the one that tells what happened.
  }
  const error =
    cause instanceof ImportError
      ? cause
      : new ImportError("ERR_WORKER_FAILED", `a worker failed: ${textOf(cause)}`, {
          hint: "This is a bug in rootlift; please report it with the text above.",
        });
  answer({ type: "failed", job, error: serializeError(error) });
}

function textOf(cause: unknown): string {
  return cause instanceof Error ? (cause.stack ?? cause.message) : String(cause);
}

function cancelLayer(job: number): void {
  if (jobs.has(job)) fail(job, cancellation());
}

function seal({ job, task }: ToWorker & { type: "seal-task" }): void {
  const startMs = monotonicMs();
  takeSyncMs();
  const result = runSealTask(task);
  const time = { startMs, endMs: monotonicMs(), syncMs: takeSyncMs() };
  answer({ type: "task-done", job, result, time });
}

function handle(message: ToWorker): void {
  switch (message.type) {
    case "begin-layer":
      beginLayer(message);
      break;
    case "chunk":
      consume(message);
      break;
    case "end-layer":
      endLayer(message.job);
      break;
    case "cancel-layer":
      cancelLayer(message.job);
      break;
    case "seal-task":
      seal(message);
      break;
  }
}

port.on("message", (message: ToWorker) => {
  Atomics.store(status.job, 0, message.job);
  try {
    handle(message);
  } catch (error) {
    fail(message.job, error);
  }
  Atomics.store(status.job, 0, 0);
  Atomics.add(status.handled, 0, 1);
});
