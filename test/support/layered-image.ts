import { createCipheriv, createHash } from "node:crypto";
import { createPlacer, runSealTask } from "../../src/pool/worker-side.ts";
import type { BodyRef, ImageToPlace, SealedRootfs, SealTask, Sink } from "../../src/sink/sink.ts";
import { placeWith, sealContext } from "./seal-in-thread.ts";
import { buildTree, type TreeEntry } from "./tree-builder.ts";

const ATTRIBUTES = { mode: 0o644, uid: 0, gid: 0, mtimeSeconds: 0, mtimeNanoseconds: 0 };

/** An image of layers that have bodies and nothing else; body b of layer l becomes the file `l:b`. */
export interface Layers {
  /** Bytes of each body of each layer, bottom first. */
  readonly bodies: readonly (readonly Uint8Array[])[];
  /** What the sink is told of their compressed sizes. Default: a third of the bodies. */
  readonly layerBytes?: readonly number[];
  /** In which order the layers are placed, one after the other. Default: as they are. */
  readonly order?: readonly number[];
  /** Names that survive, `layer:body`. Default: all. */
  readonly kept?: (name: string) => boolean;
  /** When the image says that it was made. */
  readonly createdSeconds?: number;
  /** Layers that are placed twice, first with these bodies. */
  readonly failed?: ReadonlyMap<number, readonly Uint8Array[]>;
  /** As a worker runs it. */
  readonly runTask?: (task: SealTask) => unknown;
}

export function imageOf({
  bodies,
  layerBytes,
  createdSeconds = 1_700_000_000,
}: Layers): ImageToPlace {
  const sizes = bodies.map((all) => all.reduce((sum, { length }) => sum + length, 0));
  return {
    manifestDigest: `sha256:${"1".repeat(64)}`,
    platform: "linux/amd64",
    createdSeconds,
    layerBytes: layerBytes ?? sizes.map((size) => Math.ceil(size / 3)),
  };
}

export function placeLayer(sink: Sink, layer: number, bodies: readonly Uint8Array[]): BodyRef[] {
  const placer = createPlacer(sink.placerPlan(layer));
  try {
    const place = placeWith(placer);
    const refs = bodies.map((body) => place(body, ATTRIBUTES));
    sink.placed(layer, placer.finish());
    return refs;
  } finally {
    placer.close();
  }
}

/** Writes what a failed download left, up to the point where it failed. */
function failLayer(sink: Sink, layer: number, bodies: readonly Uint8Array[]): void {
  const placer = createPlacer(sink.placerPlan(layer));
  for (const body of bodies) placeWith(placer)(body, ATTRIBUTES);
  placer.finish();
  placer.close();
}

/** From `prepare` to `seal`. */
export async function sealLayers(sink: Sink, layers: Layers): Promise<SealedRootfs> {
  const { bodies, failed } = layers;
  await sink.prepare();
  const order = sink.begin(imageOf(layers));
  const all = bodies.map((_, layer) => layer);
  const refs: BodyRef[][] = [];
  for (const layer of order === "bottom-up" ? all : (layers.order ?? all)) {
    const garbage = failed?.get(layer);
    if (garbage !== undefined) failLayer(sink, layer, garbage);
    refs[layer] = placeLayer(sink, layer, bodies[layer] ?? []);
  }
  return sealPlaced(sink, layers, refs);
}

/** @param refs of the bodies of each layer */
export function sealPlaced(
  sink: Sink,
  { bodies, kept = () => true, runTask = runSealTask }: Layers,
  refs: readonly (readonly BodyRef[])[],
): Promise<SealedRootfs> {
  const byContent = new Map(
    bodies.flatMap((list, layer) =>
      list.map((content, body) => [content, refs[layer]?.[body] ?? -1] as const),
    ),
  );
  const entries = bodies
    .flatMap((list, layer) =>
      list.map((content, body): TreeEntry => ({ path: `${layer}:${body}`, type: "file", content })),
    )
    .filter(({ path }) => kept(path));
  const tree = buildTree(entries, (content) => byContent.get(content) ?? -1);
  return sink.seal(tree, sealContext(runTask, { fsync: true }));
}

/** Bytes that no compressor and no hole takes away. */
export function noise(bytes: number, seed: string): Buffer {
  const key = createHash("sha256").update(seed).digest();
  const cipher = createCipheriv("aes-128-ctr", key.subarray(0, 16), key.subarray(16));
  return cipher.update(Buffer.alloc(bytes));
}
