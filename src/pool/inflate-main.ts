import { workerData } from "node:worker_threads";
import { ImportError, serializeError } from "../errors.ts";
import { ByteExchange, FarState, NearState } from "../layer/byte-exchange.ts";
import { createLayerFault } from "../layer/fault.ts";
import { createGzipStream } from "../layer/gzip-stream.ts";
import { createZstdStream } from "../layer/zstd-stream.ts";
import { threadNumber } from "./thread-number.ts";
import type { InflateTask } from "./threaded-stream.ts";

/** The near side wants nothing any more. */
class Closed extends Error {}

const task: InflateTask = workerData;
const exchange = new ByteExchange(task.memory);
Atomics.store(exchange.thread, 0, threadNumber());

try {
  inflateAll();
  exchange.setFar(FarState.done);
} catch (error) {
  if (!(error instanceof Closed))
    exchange.setFar(FarState.failed, JSON.stringify(failureOf(error)));
}

function inflateAll(): void {
  let position = 0;
  const create = task.compression === "gzip" ? createGzipStream : createZstdStream;
  const stream = create({
    fault: createLayerFault(task.label, task.layer),
    limits: task.limits,
    output: (bytes) => {
      exchange.output.publish(bytes.length, position);
      exchange.ringNear();
    },
    room: () => waitFor(() => exchange.output.free),
  });
  try {
    for (let chunk = nextInput(); chunk !== undefined; chunk = nextInput()) {
      const { bytes, position: end } = chunk;
      position = end;
      stream.write(bytes);
      exchange.input.release();
      exchange.ringNear();
    }
    stream.end();
  } finally {
    stream.close();
  }
}

/** @returns undefined at the end */
function nextInput(): { readonly bytes: Uint8Array; readonly position: number } | undefined {
  return waitFor(() => {
    // The end is told behind the last chunk, so it is asked for first.
    const hasEnded = exchange.near === NearState.ended;
    const chunk = exchange.input.full;
    return chunk === undefined && hasEnded ? { chunk } : chunk && { chunk };
  }).chunk;
}

function waitFor<T>(look: () => T | undefined): T {
  for (;;) {
    const bell = exchange.farBell;
    if (exchange.near === NearState.closed) throw new Closed();
    const found = look();
    if (found !== undefined) return found;
    exchange.waitForNear(bell);
  }
}

function failureOf(error: unknown): ReturnType<typeof serializeError> {
  if (error instanceof ImportError) return serializeError(error);
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return serializeError(
    new ImportError("ERR_WORKER_FAILED", `a worker failed: ${text.slice(0, 4000)}`, {
      hint: "This is a bug in rootlift; please report it with the text above.",
    }),
  );
}
