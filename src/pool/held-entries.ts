import { createLayerFault, limitFault } from "../layer/fault.ts";
import type { EntryBatch } from "../layer/entry-batch.ts";
import type { LayerDecoderOptions } from "../layer/layer-decoder.ts";

/**
 * How many entries, and bytes of names, links and xattrs, wait to be merged, over all layers of an image. Shared memory:
 * workers count a batch before they hand it over, so that what lies in a message queue counts too.
 *
 * Attack: a lowest layer that only trickles, and above it a thousand small ones that unpack to nothing but names. Each keeps
 * the limits of one layer, the merge would refuse their sum, and none of it comes to the merge.
 */
export type HeldEntries = BigInt64Array<SharedArrayBuffer>;

const ENTRIES = 0;
const BYTES = 1;

export function createHeldEntries(): HeldEntries {
  return new BigInt64Array(new SharedArrayBuffer(2 * BigInt64Array.BYTES_PER_ELEMENT));
}

/** @throws ImportError ERR_LIMIT_EXCEEDED when it is more than one image may have; then the batch does not count */
export function holdBatch(
  held: HeldEntries,
  batch: EntryBatch,
  { label, layer, limits }: Pick<LayerDecoderOptions, "label" | "layer" | "limits">,
): void {
  const entries = Number(Atomics.add(held, ENTRIES, BigInt(batch.count))) + batch.count;
  const bytes = Number(Atomics.add(held, BYTES, BigInt(batch.bytes.length))) + batch.bytes.length;
  if (entries <= limits.entries && bytes <= limits.metadataBytes) return;
  releaseBatches(held, [batch]);
  const fault = createLayerFault(label, layer);
  const [limit, value, what] =
    entries > limits.entries
      ? (["entries", entries, "entries"] as const)
      : (["metadataBytes", bytes, "bytes of names, links and attributes"] as const);
  const problem = `with this layer ${value} ${what} wait to be merged`;
  throw limitFault(fault, limits, { limit, value, problem });
}

/** What was merged, or given up, waits no longer. */
export function releaseBatches(held: HeldEntries, batches: readonly EntryBatch[]): void {
  for (const { count, bytes } of batches) {
    Atomics.sub(held, ENTRIES, BigInt(count));
    Atomics.sub(held, BYTES, BigInt(bytes.length));
  }
}
