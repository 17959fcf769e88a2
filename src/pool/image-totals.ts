import type { ImportError } from "../errors.ts";
import { createLayerFault, limitFault, ratioFault } from "../layer/fault.ts";
import {
  RATIO_FREE_BYTES,
  type DecodedSoFar,
  type LayerDecoderOptions,
} from "../layer/layer-decoder.ts";
import { heldBytes, type HeldBatch } from "./packed-batch.ts";

/**
 * What all layers of an image take together, in shared memory: workers count before they hand something over, so that
 * what lies in a message queue counts too.
 *
 * - Entries that wait to be merged, and the memory that they and the tree take. Attack: a lowest layer that only trickles,
 *   and above it a thousand small ones that unpack to nothing but names. Each keeps the limits of one layer, the merge
 *   would refuse their sum, and none of it comes to the merge.
 * - Uncompressed bytes, and those of them that are beyond the expansion ratio. Attack: a thousand layers of a gibibyte of
 *   zeros each, 33 kB of zstd.
 */
export type ImageTotals = BigInt64Array<SharedArrayBuffer>;

const Slot = { entries: 0, heldBytes: 1, treeBytes: 2, decodedBytes: 3, excessBytes: 4 } as const;

type LayerFacts = Pick<LayerDecoderOptions, "label" | "layer" | "limits">;

export function createImageTotals(): ImageTotals {
  const slots = Object.keys(Slot).length;
  return new BigInt64Array(new SharedArrayBuffer(slots * BigInt64Array.BYTES_PER_ELEMENT));
}

/** @returns the new total */
function add(totals: ImageTotals, slot: number, change: number): number {
  return Number(Atomics.add(totals, slot, BigInt(change))) + change;
}

/** What waits in memory by now, bytes. */
export function heldSoFar(totals: ImageTotals): number {
  return Number(Atomics.load(totals, Slot.heldBytes));
}

/**
 * While a layer is merged, now and then: what the tree takes, which leaves the less for what waits.
 * @param bytes names, links and attributes of the tree
 * @throws ImportError ERR_LIMIT_EXCEEDED when both together are more than one image may have
 */
export function countTree(totals: ImageTotals, bytes: number, facts: LayerFacts): void {
  Atomics.store(totals, Slot.treeBytes, BigInt(bytes));
  const value = bytes + heldSoFar(totals);
  if (value > facts.limits.metadataBytes) throw tooMuch("metadataBytes", value, facts);
}

/** @throws ImportError ERR_LIMIT_EXCEEDED when it is more than one image may have; then the batch does not count */
export function holdBatch(totals: ImageTotals, batch: HeldBatch, facts: LayerFacts): void {
  const { limits } = facts;
  const entries = add(totals, Slot.entries, batch.count);
  const treeBytes = Number(Atomics.load(totals, Slot.treeBytes));
  const bytes = add(totals, Slot.heldBytes, heldBytes(batch)) + treeBytes;
  if (entries <= limits.entries && bytes <= limits.metadataBytes) return;
  releaseBatches(totals, [batch]);
  throw entries > limits.entries
    ? tooMuch("entries", entries, facts)
    : tooMuch("metadataBytes", bytes, facts);
}

function tooMuch(
  limit: "entries" | "metadataBytes",
  value: number,
  { label, layer, limits }: LayerFacts,
): ImportError {
  const what =
    limit === "entries"
      ? "entries wait to be merged"
      : "bytes of names, links and attributes are in memory";
  const problem = `with this layer ${value} ${what}`;
  return limitFault(createLayerFault(label, layer), limits, { limit, value, problem });
}

/** What was merged, or given up, waits no longer. */
export function releaseBatches(totals: ImageTotals, batches: readonly HeldBatch[]): void {
  for (const batch of batches) {
    add(totals, Slot.entries, -batch.count);
    add(totals, Slot.heldBytes, -heldBytes(batch));
  }
}

/**
 * What one layer adds to the uncompressed bytes of its image. Beyond the ratio is what its output once exceeded the ratio's
 * multiple of its input by: a maximum, so that the sum over layers does not depend on how they interleave.
 */
export class DecodedShare {
  readonly #totals: ImageTotals;
  readonly #layer: LayerFacts;
  #decoded = 0;
  #excess = 0;

  constructor(totals: ImageTotals, layer: LayerFacts) {
    this.#totals = totals;
    this.#layer = layer;
  }

  /** @throws ImportError ERR_LIMIT_EXCEEDED */
  count(soFar: DecodedSoFar): void {
    const { limits, label, layer } = this.#layer;
    const { decodedBytes, compressedBytes } = soFar;
    const value = add(this.#totals, Slot.decodedBytes, decodedBytes - this.#decoded);
    this.#decoded = decodedBytes;
    const fault = createLayerFault(label, layer);
    if (value > limits.imageBytes) {
      const problem = `with it the layers unpack to ${value} bytes and more`;
      throw limitFault(fault, limits, { limit: "imageBytes", value, problem });
    }
    const excess = decodedBytes - compressedBytes * limits.expansionRatio;
    if (excess <= this.#excess) return;
    const beyond = add(this.#totals, Slot.excessBytes, excess - this.#excess);
    this.#excess = excess;
    if (beyond > RATIO_FREE_BYTES) throw ratioFault(fault, limits, soFar);
  }

  /** The layer was given up: its bytes do not stay. */
  release(): void {
    add(this.#totals, Slot.decodedBytes, -this.#decoded);
    add(this.#totals, Slot.excessBytes, -this.#excess);
    this.#decoded = 0;
    this.#excess = 0;
  }
}
