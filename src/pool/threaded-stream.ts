import { existsSync } from "node:fs";
import { Worker } from "node:worker_threads";
import { deserializeError, ImportError } from "../errors.ts";
import { ByteExchange, exchangeMemory, FarState, NearState } from "../layer/byte-exchange.ts";
import type { Decompressor, DecompressorOptions } from "../layer/decompressor.ts";
import type { LayerFault } from "../layer/fault.ts";
import type { Limits } from "../limits.ts";
import { threadFile } from "./start-worker.ts";

/** What the far thread is given. */
export interface InflateTask {
  readonly memory: SharedArrayBuffer;
  readonly compression: "gzip" | "zstd";
  readonly label: string;
  readonly layer: number;
  readonly limits: Limits;
}

/** Its objects are a handful. */
const RESOURCE_LIMITS = { maxOldGenerationSizeMb: 64, maxYoungGenerationSizeMb: 2 };

const LOOK_MS = 1000;
/** Looks without a sound from a thread that has work, of which each mebibyte takes milliseconds. */
const MOST_LOOKS = 120;

/**
 * A decompressor on a thread of its own: it works ahead while this thread hashes, walks and places what came out before.
 * Output is in the same pieces, and errors are the same and at the same place, as from the one on this thread
 * (`create-layer-decoder.ts`).
 */
export function createThreadedStream(
  compression: "gzip" | "zstd",
  options: ThreadedStreamOptions,
): Decompressor {
  return new ThreadedStream(compression, options);
}

export interface ThreadedStreamOptions extends DecompressorOptions {
  readonly label: string;
  readonly layer: number;
  /** The code of the thread; another one is for tests. */
  readonly file?: URL;
}

class ThreadedStream implements Decompressor {
  readonly #exchange: ByteExchange;
  readonly #thread: Worker;
  readonly #fault: LayerFault;
  readonly #output: (bytes: Uint8Array) => void;
  #writtenBytes = 0;
  #inputBytes = 0;
  #closed = false;

  constructor(
    compression: "gzip" | "zstd",
    {
      fault,
      output,
      limits,
      label,
      layer,
      file = threadFile("inflate-main"),
    }: ThreadedStreamOptions,
  ) {
    const memory = exchangeMemory();
    const task: InflateTask = { memory, compression, label, layer, limits };
    this.#exchange = new ByteExchange(memory);
    this.#fault = fault;
    this.#output = output;
    this.#thread = new Worker(file, {
      workerData: task,
      resourceLimits: RESOURCE_LIMITS,
      trackUnmanagedFds: false,
    });
    // Whoever waits for it sees that it is gone; the event arrives too late for that.
    this.#thread.on("error", () => undefined);
  }

  get inputBytes(): number {
    return this.#inputBytes;
  }

  write(chunk: Uint8Array): void {
    const { input } = this.#exchange;
    for (let at = 0; at < chunk.length;) {
      const room = this.#waitFor(() => input.free);
      const piece = chunk.subarray(at, at + room.length);
      room.set(piece);
      at += piece.length;
      this.#writtenBytes += piece.length;
      input.publish(piece.length, this.#writtenBytes);
      this.#exchange.ringFar();
    }
    while (this.#takeOutput());
    if (this.#exchange.far === FarState.failed) this.#waitForEnd();
  }

  end(): void {
    this.#exchange.setNear(NearState.ended);
    this.#waitForEnd();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#exchange.setNear(NearState.closed);
    void this.#thread.terminate();
  }

  #waitForEnd(): void {
    this.#waitFor(() => (this.#exchange.far === FarState.done ? true : undefined));
    while (this.#takeOutput());
  }

  /** Takes output until there is what the caller looks for. @throws ImportError what the far thread failed with, behind its output */
  #waitFor<T>(look: () => T | undefined): T {
    for (let looks = 0; ;) {
      const bell = this.#exchange.nearBell;
      // Asked for before the output, which comes first.
      const hasFailed = this.#exchange.far === FarState.failed;
      if (this.#takeOutput()) {
        looks = 0;
        continue;
      }
      if (hasFailed) throw this.#failure();
      const found = look();
      if (found !== undefined) return found;
      if (this.#exchange.waitForFar(bell, LOOK_MS)) looks = 0;
      else this.#requireLife((looks += 1));
    }
  }

  /** @returns whether there was any */
  #takeOutput(): boolean {
    const { output } = this.#exchange;
    const piece = output.full;
    if (piece === undefined) return false;
    this.#inputBytes = piece.position;
    this.#output(piece.bytes);
    output.release();
    this.#exchange.ringFar();
    return true;
  }

  #failure(): ImportError {
    return deserializeError(JSON.parse(this.#exchange.failure));
  }

  /** A thread that ran out of memory, or could not be started, says nothing. */
  #requireLife(looks: number): void {
    const thread = Atomics.load(this.#exchange.thread, 0);
    const isGone = thread > 0 && !existsSync(`/proc/self/task/${thread}`);
    // It may have ended in order just before.
    if (this.#exchange.far !== FarState.working) return;
    if (!isGone && looks < MOST_LOOKS) return;
    const problem = isGone ? "died" : "makes no progress";
    throw this.#fault("ERR_WORKER_FAILED", `the thread that decompresses it ${problem}`, {
      hint: "Import again; with little memory, use fewer workers (--cpus 1).",
    });
  }
}
