import { ImportError, throwIfCancelled } from "../../errors.ts";
import type { RootfsTree } from "../../rootfs/rootfs-tree.ts";
import type { BlockPlacerPlan } from "../block-placement.ts";
import { withCancelFlag } from "../cancellation.ts";
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
import { BLOCK_BYTES } from "./format.ts";
import { diskTooSmall } from "./disk-fit.ts";
import { ext4Geometry, type Ext4Geometry } from "./geometry.ts";
import { identityOf } from "./identity.ts";
import type { Ext4Identity } from "./metadata-input.ts";
import { placingRoom } from "./placing-room.ts";
import type { Ext4SealResult, Ext4SealTask, Ext4SealWork } from "./seal-steps.ts";

export interface Ext4SinkOptions {
  /** The image file: absolute, not there yet, its directory is. */
  readonly imagePath: string;
  /** Size of the disk, a multiple of 1 MiB. */
  readonly diskBytes: number;
  /** The time of all that no layer names (SOURCE_DATE_EPOCH); undefined: when the image says it was made. */
  readonly epochSeconds?: number | undefined;
  readonly onWarning?: (warning: { readonly code: string; readonly message: string }) => void;
}

/**
 * Bodies that unpack to less than this times their compressed size fit almost surely: the size to name when it is clear
 * before the pull that the disk is too small.
 */
const USUAL_EXPANSION = 6;
const BYTES_PER_ENTRY_GUESS = 4096;

/**
 * Writes the root filesystem as a sparse disk image with one ext4 file system.
 *
 * Bodies go to their final blocks while they arrive (`StreamPlacing`, `run-plan.ts`); the metadata follows when the tree is
 * final, the superblock at the very end: until then the file has no magic number, and no crash can leave something that
 * looks like an image. Takes no root, no mount and nothing that Linux alone has, but for freeing blocks.
 */
export function createExt4Sink(options: Ext4SinkOptions): Sink {
  return new Ext4Sink(options);
}

class Ext4Sink implements Sink {
  readonly #options: Ext4SinkOptions;
  readonly #geometry: Ext4Geometry;
  readonly #file: StagedImage;
  #image: ImageToPlace | undefined;
  #placing: StreamPlacing | undefined;
  #startedOver = false;

  constructor(options: Ext4SinkOptions) {
    this.#options = options;
    this.#geometry = ext4Geometry(options.diskBytes);
    this.#file = new StagedImage(options.imagePath, options.diskBytes);
  }

  async prepare(): Promise<void> {
    this.#file.make();
  }

  begin(image: ImageToPlace): LayerOrder {
    this.#image = image;
    const layerBytes = image.layerBytes.reduce((sum, bytes) => sum + bytes, 0);
    // Bodies are what is compressed; where they are not, inodes and names take more room than a compressor leaves of them.
    if (layerBytes > this.#options.diskBytes) throw this.#hopeless(layerBytes);
    return this.#place(image, false);
  }

  placerPlan(layer: number): BlockPlacerPlan {
    return this.#begun().planOf(layer);
  }

  placed(layer: number, placement: LayerPlacement): void {
    if (placement.kind !== "blocks") throw new Error("a layer was placed by another sink's placer");
    const placing = this.#begun();
    const before = placing.overflow;
    placing.placed(layer, placement);
    if (before !== undefined || placing.overflow === undefined) return;
    const message = `the layers do not fit on a disk of ${this.#options.diskBytes / 2 ** 20} MiB; the rest is only read, to tell how large it has to be`;
    this.#options.onWarning?.({ code: "disk_too_small", message });
  }

  startOver(error: unknown): LayerOrder | undefined {
    const { order } = this.#begun();
    const tooSmall = error instanceof ImportError && error.code === "ERR_DISK_TOO_SMALL";
    if (!tooSmall || this.#image === undefined || this.#startedOver || order === "bottom-up") {
      return undefined;
    }
    this.#startedOver = true;
    this.#file.empty();
    return this.#place(this.#image, true);
  }

  seal(tree: RootfsTree, context: SealContext): Promise<SealedRootfs> {
    const { diskBytes, imagePath } = this.#options;
    return withCancelFlag(context, async (cancelled) => {
      const result = await runTask(this.#metadataTask(tree, cancelled), context);
      if (!isSealResult(result)) throw new Error("a seal task answered with another result");
      const { superblock, omissions, checksums } = result;
      const { fsync } = context;
      await runTask({ type: "superblock", imagePath, superblock, fsync }, context);
      return {
        sizeBytes: diskBytes,
        // What the file takes: inode tables and journal are used blocks too, and for the most part never written.
        usedBytes: checksums.blockCounts.reduce((sum, blocks) => sum + blocks, 0) * BLOCK_BYTES,
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
    const { imagePath } = this.#options;
    const room = placingRoom(this.#geometry, layerBytes, bottomUp);
    this.#placing = new StreamPlacing({ imagePath, layers: layerBytes.length, ...room });
    return this.#placing.order;
  }

  #begun(): StreamPlacing {
    if (this.#placing === undefined) throw new Error("a sink begins before it places");
    return this.#placing;
  }

  #metadataTask(tree: RootfsTree, cancelled: Int32Array): Ext4SealTask {
    const placing = this.#begun();
    const { imagePath } = this.#options;
    const work: Omit<Ext4SealWork, "layers"> = {
      imagePath,
      geometry: this.#geometry,
      identity: this.#identity(),
      tree,
      firstFreeBlock: placing.firstFreeBlock,
      leftovers: placing.leftovers,
      cancelled,
    };
    const bodyBlocks = placing.overflow;
    if (bodyBlocks === undefined)
      return { type: "metadata", work: { ...work, layers: placing.layers } };
    return {
      type: "measure",
      work: { ...work, layers: placing.layersBeyond(this.#geometry.blocks) },
      bodyBlocks,
    };
  }

  #identity(): Ext4Identity {
    if (this.#image === undefined) throw new Error("a sink begins before it seals");
    const { diskBytes, epochSeconds } = this.#options;
    return identityOf(this.#image, { diskBytes, epochSeconds });
  }

  #hopeless(layerBytes: number): ImportError {
    const bodyBlocks = Math.ceil((layerBytes * USUAL_EXPANSION) / BLOCK_BYTES);
    const inodes = Math.ceil(layerBytes / BYTES_PER_ENTRY_GUESS);
    const { details } = diskTooSmall(this.#geometry, { bodyBlocks, contentBlocks: inodes, inodes });
    const layerMib = Math.ceil(layerBytes / 2 ** 20);
    const diskMib = this.#options.diskBytes / 2 ** 20;
    return new ImportError(
      "ERR_DISK_TOO_SMALL",
      `the layers have ${layerMib} MiB even when compressed, the disk ${diskMib} MiB`,
      { hint: `Images of this size fit with --disk_mb ${details["neededMib"]}.`, details },
    );
  }
}

async function runTask(task: Ext4SealTask, { signal, runTasks }: SealContext): Promise<unknown> {
  throwIfCancelled(signal);
  const [result] = await runTasks([{ kind: "ext4", task }]);
  return result;
}

function isSealResult(result: unknown): result is Ext4SealResult {
  return (
    typeof result === "object" && result !== null && "kind" in result && result.kind === "ext4-seal"
  );
}
