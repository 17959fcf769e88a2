import type { EntryBatch } from "../layer/entry-batch.ts";
import type { RootfsTree } from "./rootfs-tree.ts";

/** The image that is being merged, for messages (`layerLabel`). */
export interface MergedImage {
  readonly reference: string;
  readonly layers: number;
}

/**
 * Folds layers into one tree, bottom first.
 *
 * @throws ImportError ERR_LINK_LOOP, ERR_NOT_A_DIRECTORY, ERR_LINK_TARGET_MISSING, ERR_LIMIT_EXCEEDED …, naming layer and path
 */
export interface LayerMerge {
  /**
   * Applies one whole layer: its whiteouts first (they hide lower layers only), then its entries in archive order.
   * @param batches are gone through several times, and none is kept from one to the next
   */
  addLayer(layer: number, batches: Iterable<EntryBatch>): void;
  /** Bytes of names, link targets and attributes that the tree has taken so far. */
  readonly metadataBytes: number;
  /** The finished tree. No layer can be added afterwards. */
  finish(): RootfsTree;
}
