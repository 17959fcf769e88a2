import { ImportError, throwIfCancelled } from "../../errors.ts";
import type { RootfsTree } from "../../rootfs/rootfs-tree.ts";
import { BLOCK_BYTES, type BlockPlacerPlan } from "../block-placement.ts";
import { withCancelFlag } from "../cancellation.ts";
import { imageIdentity } from "../image-identity.ts";
import type {
  ImageToPlace,
  LayerOrder,
  LayerPlacement,
  SealContext,
  SealedRootfs,
  Sink,
} from "../sink.ts";
import { StagedImage } from "../staged-image.ts";
import { StreamPlacing } from "../stream-placing.ts";
import { placingRoom } from "./placing-room.ts";
import type { ErofsSealResult, ErofsSealTask } from "./seal-steps.ts";

export interface ErofsSinkOptions {
  /** The image file: absolute, not there yet, its directory is. */
  readonly imagePath: string;
  /** The time of the file system (SOURCE_DATE_EPOCH); undefined: when the image says it was made. */
  readonly epochSeconds?: number | undefined;
}

const NAMESPACE = "rootlift erofs image, version 1";

/**
 * Writes the root filesystem as a read-only EROFS image without compression, as large as what is in it.
 *
 * Bodies go to their final blocks while they arrive (`StreamPlacing`, `run-plan.ts`); those that then lie last fill the gaps,
 * the metadata follows when the tree is final, and the superblock at the very end: until then the file has no magic number.
 * Takes no root, no mount and nothing that Linux alone has, but for freeing blocks.
 */
export function createErofsSink(options: ErofsSinkOptions): Sink {
  return new ErofsSink(options);
}

class ErofsSink implements Sink {
  readonly #options: ErofsSinkOptions;
  readonly #file: StagedImage;
  #image: ImageToPlace | undefined;
  #placing: StreamPlacing | undefined;
  #startedOver = false;

  constructor(options: ErofsSinkOptions) {
    this.#options = options;
    this.#file = new StagedImage(options.imagePath, 0);
  }

  async prepare(): Promise<void> {
    this.#file.make();
  }

  begin(image: ImageToPlace): LayerOrder {
    this.#image = image;
    return this.#place(image, false);
  }

  placerPlan(layer: number): BlockPlacerPlan {
    return this.#begun().placing.planOf(layer);
  }

  placed(layer: number, placement: LayerPlacement): void {
    if (placement.kind !== "blocks") throw new Error("a layer was placed by another sink's placer");
    this.#begun().placing.placed(layer, placement);
  }

  /** A layer outgrows its share of 16 TiB only where its compressed size says next to nothing. */
  startOver(error: unknown): LayerOrder | undefined {
    const { image, placing } = this.#begun();
    const outgrown = error instanceof ImportError && error.code === "ERR_DISK_TOO_SMALL";
    if (!outgrown || this.#startedOver || placing.order === "bottom-up") return undefined;
    this.#startedOver = true;
    this.#file.empty();
    return this.#place(image, true);
  }

  seal(tree: RootfsTree, context: SealContext): Promise<SealedRootfs> {
    const { imagePath } = this.#options;
    return withCancelFlag(context, async (cancelled) => {
      const result = await runTask(this.#metadataTask(tree, cancelled), context);
      if (!isSealResult(result)) throw new Error("a seal task answered with another result");
      const { superblock, blocks, omissions, checksums } = result;
      const { fsync } = context;
      await runTask({ type: "superblock", imagePath, superblock, fsync }, context);
      return {
        sizeBytes: blocks * BLOCK_BYTES,
        usedBytes: checksums.blockCounts.reduce((sum, count) => sum + count, 0) * BLOCK_BYTES,
        entries: tree.entries,
        omissions,
        checksums: { blockBytes: BLOCK_BYTES, ...checksums },
      };
    });
  }

  async abort(): Promise<void> {
    this.#file.remove();
  }

  #place({ layerBytes }: ImageToPlace, bottomUp: boolean): LayerOrder {
    this.#placing = new StreamPlacing({
      imagePath: this.#options.imagePath,
      layers: layerBytes.length,
      ...placingRoom(layerBytes, bottomUp),
    });
    return this.#placing.order;
  }

  #begun(): { readonly image: ImageToPlace; readonly placing: StreamPlacing } {
    if (this.#image === undefined || this.#placing === undefined) {
      throw new Error("a sink begins before it places");
    }
    return { image: this.#image, placing: this.#placing };
  }

  #metadataTask(tree: RootfsTree, cancelled: Int32Array): ErofsSealTask {
    const { image, placing } = this.#begun();
    if (placing.overflow !== undefined) {
      throw new ImportError("ERR_LIMIT_EXCEEDED", "the image has more than the 16 TiB of EROFS", {
        hint: "Import the image with --format dir or tar.",
        details: { blocks: placing.overflow },
      });
    }
    const { imagePath, epochSeconds } = this.#options;
    const work = {
      imagePath,
      identity: imageIdentity(image, { namespace: NAMESPACE, parameters: [], epochSeconds }),
      tree,
      layers: placing.layers,
      firstFreeBlock: placing.firstFreeBlock,
      leftovers: placing.leftovers,
      cancelled,
    };
    return { type: "metadata", work };
  }
}

async function runTask(task: ErofsSealTask, { signal, runTasks }: SealContext): Promise<unknown> {
  throwIfCancelled(signal);
  const [result] = await runTasks([{ kind: "erofs", task }]);
  return result;
}

function isSealResult(result: unknown): result is ErofsSealResult {
  return (
    typeof result === "object" &&
    result !== null &&
    "kind" in result &&
    result.kind === "erofs-seal"
  );
}
