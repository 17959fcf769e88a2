import { createPlacer, runSealTask } from "../../../src/pool/worker-side.ts";
import { createErofsSink } from "../../../src/sink/erofs/erofs-sink.ts";
import { placeWith, sealContext } from "../seal-in-thread.ts";
import { buildTree, type TreeEntry } from "../tree-builder.ts";

const IMAGE = {
  manifestDigest: `sha256:${"0".repeat(64)}`,
  platform: "linux/amd64",
  layerBytes: [1 << 20],
};

/** Makes an image of a list of entries with our writer, in this thread. */
export async function writeErofs(imagePath: string, entries: readonly TreeEntry[]): Promise<void> {
  const sink = createErofsSink({ imagePath });
  await sink.prepare();
  sink.begin(IMAGE);
  const placer = createPlacer(sink.placerPlan(0));
  try {
    const tree = buildTree(entries, placeWith(placer));
    sink.placed(0, placer.finish());
    await sink.seal(tree, sealContext(runSealTask));
  } catch (error) {
    await sink.abort();
    throw error;
  } finally {
    placer.close();
  }
}
