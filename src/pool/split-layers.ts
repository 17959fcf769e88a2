import type { LayerOrder } from "../sink/sink.ts";

/** Compressed bytes that take longer than it takes to start a thread. */
const LEAST_BYTES = 16 * 2 ** 20;

/**
 * The layers that are decompressed on a thread of their own (`threaded-stream.ts`): those that would still be under way
 * when the other workers have nothing left to do, because they are more than a worker's share of the image. Where layers
 * go one by one, that is each.
 *
 * @param sizes compressed bytes of each layer, without those that share another one's decode
 * @returns whether to split a layer of so many compressed bytes
 */
export function createSplitting(
  sizes: readonly number[],
  { workers, order }: { readonly workers: number; readonly order: LayerOrder },
): (sizeBytes: number) => boolean {
  if (workers < 2) return () => false;
  const totalBytes = sizes.reduce((sum, size) => sum + size, 0);
  const shareBytes = order === "bottom-up" ? 0 : totalBytes / workers;
  return (sizeBytes) => sizeBytes >= LEAST_BYTES && sizeBytes > shareBytes;
}
