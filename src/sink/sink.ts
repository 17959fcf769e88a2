import type { RootfsTree } from "../rootfs/rootfs-tree.ts";
import type { BlockPlacement, BlockPlacerPlan } from "./block-placement.ts";
import type { DirectorySealTask } from "./directory/seal-steps.ts";
import type { ErofsSealTask } from "./erofs/seal-steps.ts";
import type { Ext4SealTask } from "./ext4/seal-steps.ts";
import type { TarSealTask } from "./tar/tar-seal-task.ts";

/**
 * Writes one root filesystem into a staging place. Order: `prepare`, `begin`, for each layer `placerPlan` and `placed`,
 * then `seal`, or `abort` at any time. The sink makes bytes durable; making them *visible* (rename, catalog) is the
 * store's job.
 */
export interface Sink {
  /** Makes the staging place. @throws ImportError ERR_NOT_PERMITTED, ERR_OUTPUT_IO, ERR_DISK_FULL before anything is pulled */
  prepare(): Promise<void>;
  /**
   * Tells what will be placed, before the first `placerPlan`.
   * @returns the order in which layers are to be placed
   * @throws ImportError ERR_DISK_TOO_SMALL when that is certain already
   */
  begin(image: ImageToPlace): LayerOrder;
  /**
   * What a worker needs to place the bodies of one layer (`createPlacer`): plain data that survives `postMessage`.
   * Called again for a layer that is fetched anew after a digest mismatch: then what the earlier plan placed is garbage,
   * and the new plan's `BodyRef`s differ from the old one's.
   * @param layer 0 is the base layer (image-spec manifest.md, `layers`)
   */
  placerPlan(layer: number): PlacerPlan;
  /** Takes what the placer of the layer's last plan reports (`BodyPlacer.finish`), once its bytes are verified. */
  placed(layer: number, placement: LayerPlacement): void;
  /**
   * After a failed decode or seal, when nothing is being written: empties the staging place, to place all layers anew and
   * otherwise, if that may go well. At most once in an import.
   * @returns the order of the second attempt; undefined when the error stands
   */
  startOver(error: unknown): LayerOrder | undefined;
  /** Lays out the merged tree around the placed bodies, frees what the tree no longer names, and syncs. */
  seal(tree: RootfsTree, context: SealContext): Promise<SealedRootfs>;
  /** Removes everything written. Safe to call twice, and after a failed `seal`. */
  abort(): Promise<void>;
}

/** What a sink may know of an image before its layers: all that its bytes may depend on. */
export interface ImageToPlace {
  /** Of the platform's manifest, `sha256:…`. */
  readonly manifestDigest: string;
  /** `linux/amd64`. */
  readonly platform: string;
  /** When the image says that it was made, seconds since the epoch. */
  readonly createdSeconds?: number;
  /** Compressed bytes of each layer, bottom first. */
  readonly layerBytes: readonly number[];
}

/** `bottom-up`: one layer at a time, each placed before the next begins. */
export type LayerOrder = "largest-first" | "bottom-up";

/** One variant a sink that has placers in workers. */
export type PlacerPlan = DirectoryPlacerPlan | BlockPlacerPlan | SpoolPlacerPlan | NullPlacerPlan;

export interface DirectoryPlacerPlan {
  readonly kind: "directory";
  readonly layer: number;
  /** An existing, private directory for the bodies of this plan. */
  readonly bodiesPath: string;
  /** The bodies of this plan have numbers from here on (`body-ref.ts`). */
  readonly firstBody: number;
  /** Owners are set (root), or left as they fall (`--no-same-owner`). */
  readonly sameOwner: boolean;
}

export interface SpoolPlacerPlan {
  readonly kind: "spool";
  readonly layer: number;
  /** Goes into the references of its bodies (`tar/spool-body.ts`). */
  readonly plan: number;
  /** The file for the bodies of this plan; does not exist yet. */
  readonly spoolPath: string;
}

/** Bodies are counted and dropped: for a benchmark, of which nothing stays. */
export interface NullPlacerPlan {
  readonly kind: "null";
  readonly layer: number;
}

/** What the placer of a layer tells its sink: plain data that survives `postMessage`. */
export type LayerPlacement =
  | { readonly kind: "directory" }
  | { readonly kind: "spool" }
  | { readonly kind: "null" }
  | BlockPlacement;

/** A part of a seal that a worker does; one variant a sink that seals in workers. */
export type SealTask =
  | { readonly kind: "directory"; readonly task: DirectorySealTask }
  | { readonly kind: "ext4"; readonly task: Ext4SealTask }
  | { readonly kind: "erofs"; readonly task: ErofsSealTask }
  | { readonly kind: "tar"; readonly task: TarSealTask };

export interface SealContext {
  readonly signal: AbortSignal;
  /** Runs the tasks on the workers, side by side, in any order; fails with the first error, when all have ended. */
  readonly runTasks: (tasks: readonly SealTask[]) => Promise<readonly unknown[]>;
  /** How many tasks run side by side. */
  readonly workers: number;
  readonly fsync: boolean;
}

/** One layer's file bodies, in archive order. Synchronous on purpose: an await a file costs more than the file. */
export interface BodyPlacer {
  /**
   * @param sizeBytes as the tar header states it, already checked, never 0
   * @param attributes what the entry says of itself; a sink that keeps each body as a file applies them at once. Borrowed.
   * @throws ImportError ERR_DISK_FULL when the bytes cannot fit
   */
  begin(sizeBytes: number, attributes: BodyAttributes): void;
  /** Appends a chunk. It is borrowed: the caller reuses it at once. */
  write(chunk: Uint8Array): void;
  /** Appends a hole: bytes that read as zeros and need no storage. */
  skip(sizeBytes: number): void;
  /** @throws ImportError ERR_LAYER_CORRUPT when what was appended is not exactly `sizeBytes` */
  end(): BodyRef;
  /** Ends the layer after its last body: buffered bytes are written. Once, before `close`. */
  finish(): LayerPlacement;
  /** Closes files. After a failure too, any number of times. */
  close(): void;
}

export interface BodyAttributes {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtimeSeconds: number;
  readonly mtimeNanoseconds: number;
}

/** Names a placed body within the sink, over all layers. A plain number ≥ 0 and < 2^53, so that a million fit in one typed array. */
export type BodyRef = number;

/** Runs of blocks with the CRC-32 (`zlib.crc32`) of each: columns, ascending and apart from each other. What none covers was never written. */
export interface ImageChecksums {
  readonly blockBytes: number;
  readonly firstBlocks: Uint32Array;
  readonly blockCounts: Uint32Array;
  readonly checksums: Uint32Array;
}

export interface SealedRootfs {
  /** The size of the disk image; for a directory, the sum of its file sizes. */
  readonly sizeBytes: number;
  /** What is occupied: holes and free blocks do not count. */
  readonly usedBytes: number;
  readonly entries: number;
  /** What could not be written exactly (`--no-same-owner`, or a file system without xattrs): by path. At most 1,000 lines, then a count. */
  readonly omissions: readonly string[];
  /** Of a disk image: what its blocks were when they were written, for `verify`. */
  readonly checksums?: ImageChecksums;
}
