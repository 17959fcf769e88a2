import type { RootfsTree } from "../rootfs/rootfs-tree.ts";
import type { DirectorySealTask } from "./directory/seal-steps.ts";

/**
 * Writes one root filesystem into a staging place. Order: `prepare`, `placerPlan` once a layer, then `seal`, or `abort`
 * at any time. The sink makes bytes durable; making them *visible* (rename, catalog) is the store's job.
 */
export interface Sink {
  /** Makes the staging place. @throws ImportError ERR_NOT_PERMITTED, ERR_OUTPUT_IO, ERR_DISK_FULL before anything is pulled */
  prepare(): Promise<void>;
  /**
   * What a worker needs to place the bodies of one layer (`createPlacer`): plain data that survives `postMessage`.
   * Called again for a layer that is fetched anew after a digest mismatch: then what the earlier plan placed is garbage,
   * and the new plan's `BodyRef`s differ from the old one's.
   * @param layer 0 is the base layer (image-spec manifest.md, `layers`)
   */
  placerPlan(layer: number): PlacerPlan;
  /** Lays out the merged tree around the placed bodies, frees what the tree no longer names, and syncs. */
  seal(tree: RootfsTree, context: SealContext): Promise<SealedRootfs>;
  /** Removes everything written. Safe to call twice, and after a failed `seal`. */
  abort(): Promise<void>;
}

/** One variant a sink that has placers in workers. */
export interface PlacerPlan {
  readonly kind: "directory";
  readonly layer: number;
  /** An existing, private directory for the bodies of this plan. */
  readonly bodiesPath: string;
  /** The bodies of this plan have numbers from here on (`directory/body-ref.ts`). */
  readonly firstBody: number;
  /** Owners are set (root), or left as they fall (`--no-same-owner`). */
  readonly sameOwner: boolean;
}

/** A part of a seal that a worker does; one variant a sink that seals in parallel. */
export interface SealTask {
  readonly kind: "directory";
  readonly task: DirectorySealTask;
}

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
  /** Ends the layer: buffered bytes are written, files closed. After a failure too, any number of times. */
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

export interface SealedRootfs {
  /** The size of the disk image; for a directory, the sum of its file sizes. */
  readonly sizeBytes: number;
  /** What is occupied: holes and free blocks do not count. */
  readonly usedBytes: number;
  readonly entries: number;
  /** What could not be written exactly (`--no-same-owner`, or a file system without xattrs): by path. At most 1,000 lines, then a count. */
  readonly omissions: readonly string[];
}
