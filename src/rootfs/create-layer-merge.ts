import { randomBytes } from "node:crypto";
import type { EntryBatch } from "../layer/entry-batch.ts";
import type { Limits } from "../limits.ts";
import { EntryPlacer } from "./entry-placer.ts";
import { finishedTree } from "./finished-tree.ts";
import { LayerFailure } from "./layer-failure.ts";
import { isMarker, LayerMarkers } from "./layer-markers.ts";
import type { LayerMerge, MergedImage } from "./layer-merge.ts";
import { type MergeContext, pathOfEntry } from "./merge-context.ts";
import { MergeTree } from "./merge-tree.ts";
import { PathWalker } from "./path-walker.ts";
import type { RootfsTree } from "./rootfs-tree.ts";

/** Offsets in the tree are 32-bit; one entry adds at most a path, a target and its xattrs after the check. */
const MAX_METADATA_BYTES = 2 ** 32 - 2 ** 24;

export function createLayerMerge(limits: Limits, image: MergedImage): LayerMerge {
  const key = randomBytes(8);
  return new TreeMerge(limits, image, new MergeTree([key.readInt32LE(0), key.readInt32LE(4)]));
}

class TreeMerge implements LayerMerge {
  readonly #limits: Limits;
  readonly #image: MergedImage;
  readonly #tree: MergeTree;
  readonly #walker: PathWalker;
  readonly #maxMetadataBytes: number;
  /** Entries of all layers so far, markers and implied directories included: what was paid for, not what is left. */
  #entries = 0;
  #finished = false;

  constructor(limits: Limits, image: MergedImage, tree: MergeTree) {
    this.#limits = limits;
    this.#image = image;
    this.#tree = tree;
    this.#walker = new PathWalker(tree, limits);
    this.#maxMetadataBytes = Math.min(limits.metadataBytes, MAX_METADATA_BYTES);
  }

  addLayer(layer: number, batches: Iterable<EntryBatch>): void {
    if (this.#finished) throw new Error("addLayer after finish");
    const context: MergeContext = {
      tree: this.#tree,
      walker: this.#walker,
      limits: this.#limits,
      layer,
      failure: new LayerFailure({ layer, limits: this.#limits, ...this.#image }),
    };
    const markers = new LayerMarkers(context, batches);
    markers.hide();
    const placer = new EntryPlacer(context);
    let number = 0;
    for (const batch of batches) {
      for (let i = 0; i < batch.count; i++) {
        placer.impliedDirectories = 0;
        if (!isMarker(batch, i)) placer.place(batch, i, markers.hiddenTarget(number));
        number += 1;
        this.#entries += 1 + placer.impliedDirectories;
        this.#checkLimits(context, batch, i);
      }
    }
    markers.refuseBlocked();
  }

  #checkLimits(context: MergeContext, batch: EntryBatch, i: number): void {
    const { limits, failure } = context;
    if (this.#entries > limits.entries) {
      const what = `is one entry more than the ${limits.entries} an image may have`;
      const value = this.#entries;
      throw failure.limit(pathOfEntry(batch, i), { limit: "entries", value, what });
    }
    const value = this.metadataBytes;
    if (value > this.#maxMetadataBytes) {
      const what = `brings the names, links and attributes of the image to more than ${this.#maxMetadataBytes} bytes`;
      throw failure.limit(pathOfEntry(batch, i), { limit: "metadataBytes", value, what });
    }
  }

  get metadataBytes(): number {
    return this.#tree.names.arena.length + this.#tree.blobs.length;
  }

  finish(): RootfsTree {
    this.#finished = true;
    return finishedTree(this.#tree);
  }
}
