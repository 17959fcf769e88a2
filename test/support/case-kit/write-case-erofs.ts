import type { EntryBatch } from "../../../src/layer/entry-batch.ts";
import { createLayerDecoder } from "../../../src/layer/create-layer-decoder.ts";
import { DEFAULT_LIMITS } from "../../../src/limits.ts";
import { requireDigest } from "../../../src/oci/digest.ts";
import { createPlacer, runSealTask } from "../../../src/pool/worker-side.ts";
import { createLayerMerge } from "../../../src/rootfs/create-layer-merge.ts";
import { createErofsSink } from "../../../src/sink/erofs/erofs-sink.ts";
import type { Sink } from "../../../src/sink/sink.ts";
import { digestText } from "../digest-text.ts";
import { sealContext } from "../seal-in-thread.ts";
import type { CaseContext } from "./case-bytes.ts";
import type { LayerCase } from "./case-json.ts";
import { caseLayers, type CaseLayer } from "./case-layout.ts";

/**
 * Writes the layers of a case as an EROFS image, decoded, merged and sealed in this thread: of the time of so small an
 * import, nine parts in ten go to starting and ending a worker.
 * @throws ImportError when the layers are refused
 */
export async function writeCaseErofs(
  layerCase: LayerCase,
  imagePath: string,
  context: CaseContext,
): Promise<void> {
  const layers = caseLayers(layerCase, context);
  const merge = createLayerMerge(DEFAULT_LIMITS, {
    reference: layerCase.name,
    layers: layers.length,
  });
  const sink = createErofsSink({ imagePath });
  await sink.prepare();
  try {
    sink.begin({
      manifestDigest: digestText(Buffer.from(layerCase.name)),
      platform: "linux/amd64",
      layerBytes: layers.map(({ bytes }) => bytes.length),
    });
    for (const [number, layer] of layers.entries()) {
      merge.addLayer(number, placeLayer(sink, number, layer));
    }
    await sink.seal(merge.finish(), sealContext(runSealTask));
  } catch (error) {
    await sink.abort();
    throw error;
  }
}

function placeLayer(
  sink: Sink,
  layer: number,
  { bytes, diffId }: CaseLayer,
): readonly EntryBatch[] {
  const batches: EntryBatch[] = [];
  const placer = createPlacer(sink.placerPlan(layer));
  const decoder = createLayerDecoder({
    label: `layer ${layer + 1}`,
    layer,
    digest: requireDigest(digestText(bytes), "the case"),
    diffId: requireDigest(diffId, "the case"),
    sizeBytes: bytes.length,
    limits: DEFAULT_LIMITS,
    bodies: placer,
    onBatch: (batch) => batches.push(batch),
  });
  try {
    decoder.push(bytes);
    decoder.finish();
    sink.placed(layer, placer.finish());
    return batches;
  } finally {
    decoder.close();
    placer.close();
  }
}
