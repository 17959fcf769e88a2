const MIB = 2 ** 20;
/** Compressed bytes on their way to the workers, all layers together: a tenth of the pipeline's ceiling of 300 MB. */
const BUDGET_BYTES = 32 * MIB;
/** One being filled by the network, one on its way, one being decoded. */
export const BUFFERS_PER_LAYER = 3;

/** @returns how large the buffers of each layer may be when `concurrency` layers are under way, bytes */
export function layerBufferBytes(concurrency: number): number {
  const share = BUDGET_BYTES / (Math.max(1, concurrency) * BUFFERS_PER_LAYER);
  return Math.min(MIB, Math.max(64 * 1024, 2 ** Math.floor(Math.log2(share))));
}

/**
 * The buffers of one layer. A layer never waits for another one's: whoever holds a buffer can always make progress
 * (crane 0.21.6 hung on a limit that layers shared and held across each other).
 */
export interface LayerBuffers {
  /** @returns a buffer that nobody uses, as soon as there is one */
  take(): Promise<ArrayBuffer>;
  give(buffer: ArrayBuffer): void;
  /** Wakes a waiting `take` with an error. */
  fail(error: unknown): void;
}

export function createLayerBuffers(bufferBytes: number): LayerBuffers {
  const free: ArrayBuffer[] = [];
  let made = 0;
  let failure: { readonly error: unknown } | undefined;
  let waiting:
    | { resolve: (buffer: ArrayBuffer) => void; reject: (error: unknown) => void }
    | undefined;

  async function take(): Promise<ArrayBuffer> {
    if (failure !== undefined) throw failure.error;
    const buffer = free.pop();
    if (buffer !== undefined) return buffer;
    if (made < BUFFERS_PER_LAYER) {
      made += 1;
      return new ArrayBuffer(bufferBytes);
    }
    return new Promise((resolve, reject) => {
      waiting = { resolve, reject };
    });
  }

  function give(buffer: ArrayBuffer): void {
    if (waiting === undefined) free.push(buffer);
    else waiting.resolve(buffer);
    waiting = undefined;
  }

  function fail(error: unknown): void {
    failure ??= { error };
    waiting?.reject(error);
    waiting = undefined;
  }

  return { take, give, fail };
}
