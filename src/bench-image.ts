import type { ResolvedImage } from "./oci/image.ts";
import { startWorkerPool } from "./pool/worker-pool.ts";
import {
  pullImage,
  resolveForPull,
  withinMemory,
  type BodiesPlace,
  type PullRequest,
} from "./pull-image.ts";

/** Bodies are counted and dropped. */
const NOWHERE: BodiesPlace = {
  placerPlan: (layer) => ({ kind: "null", layer }),
  placed: () => undefined,
};

/**
 * Resolves, pulls, decodes, verifies and merges an image exactly as an import does, and keeps nothing: no store, no file, no
 * name.
 * @throws ImportError as an import would
 */
export async function benchImage(request: PullRequest): Promise<ResolvedImage> {
  return withinMemory(request, async (watched) => {
    const pool = startWorkerPool(watched.workers);
    try {
      const image = await resolveForPull(watched);
      await pullImage(watched, { image, pool, sink: NOWHERE, order: "largest-first" });
      return image;
    } finally {
      await pool.close();
    }
  });
}
