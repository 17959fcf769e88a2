import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { layerLabel } from "../../src/errors.ts";
import { DEFAULT_LIMITS, type Limits } from "../../src/limits.ts";
import { requireDigest } from "../../src/oci/digest.ts";
import { digestOf } from "../../src/oci/verify-bytes.ts";
import type { LayerBytes } from "../../src/pool/decode-layer.ts";
import type { DecodeLayersOptions, LayerToDecode } from "../../src/pool/decode-layers.ts";
import type { TestLayer } from "./test-registry/test-image.ts";

/** Serves bytes as a source does; `piece` limits what one read gives before it yields to others. */
export function bytesOf(bytes: Uint8Array, onCancel: () => void = () => undefined): LayerBytes {
  let at = 0;
  return {
    read: async (target) => {
      await new Promise((settle) => {
        setImmediate(settle);
      });
      const part = bytes.subarray(at, at + target.length);
      target.set(part);
      at += part.length;
      return part.length;
    },
    cancel: onCancel,
  };
}

/** Layers as `decodeLayers` takes them; each `open` is recorded as `index` or `index fresh`. */
export function layersToDecode(
  layers: readonly TestLayer[],
  opened: string[] = [],
  open: (layer: number, fresh: boolean, signal: AbortSignal) => LayerBytes = (layer) =>
    bytesOf(layers[layer]?.bytes ?? new Uint8Array()),
  limits: Limits = DEFAULT_LIMITS,
): readonly LayerToDecode[] {
  return layers.map((layer, index) => ({
    options: {
      label: layerLabel(index, layers.length, "test"),
      layer: index,
      digest: digestOf(layer.bytes),
      sizeBytes: layer.bytes.length,
      diffId: requireDigest(layer.diffId, "the diffId"),
      limits,
    },
    open: ({ fresh, signal }) => {
      opened.push(fresh ? `${index} fresh` : `${index}`);
      return Promise.resolve(open(index, fresh, signal));
    },
  }));
}

/** Options that place bodies below `directory` and record what happens. */
export function decodeOptions(
  directory: string,
  changes: Partial<DecodeLayersOptions> = {},
): DecodeLayersOptions & { readonly delivered: number[] } {
  const delivered: number[] = [];
  let plans = 0;
  return {
    delivered,
    concurrency: 4,
    order: "largest-first",
    signal: new AbortController().signal,
    placerPlan: (layer) => {
      plans += 1;
      const bodiesPath = join(directory, `bodies-${plans}`);
      mkdirSync(bodiesPath, { mode: 0o700 });
      return { kind: "directory", layer, bodiesPath, firstBody: plans * 2 ** 32, sameOwner: false };
    },
    onPlaced: () => undefined,
    onLayer: (layer) => delivered.push(layer),
    treeBytes: () => 0,
    onProgress: () => undefined,
    onRefetch: () => undefined,
    ...changes,
  };
}
