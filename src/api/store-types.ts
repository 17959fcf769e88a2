import type { StoreProblem } from "../store/check-store.ts";
import type { Garbage } from "../store/collect-garbage.ts";
import type { DiskUsage } from "../store/disk-usage.ts";
import type { RestoredName } from "../store/restore-rows.ts";
import type { StoreOptions } from "./public-types.ts";

export type { DiskUsage, Garbage, RestoredName, StoreProblem };

export interface CheckStoreOptions extends StoreOptions {
  /** Mends what can be mended, and removes leftovers. Default false: nothing is changed. */
  readonly repair?: boolean;
  /** Reads every root filesystem too, as `verifySandboxImage` does. */
  readonly verify?: boolean;
  readonly signal?: AbortSignal;
}

/** What a check of the store found. */
export interface StoreCheck {
  readonly home: string;
  /** There are no problems. */
  readonly sound: boolean;
  /** Names in the catalog, of all projects. */
  readonly images: number;
  readonly snapshots: number;
  /** After the repair, when there was one. */
  readonly problems: readonly StoreProblem[];
  /** Snapshots whose contents were read. */
  readonly verified?: number;
  /** Ids of those of which no contents are recorded: directories. */
  readonly unverified?: readonly string[];
  readonly repair?: StoreRepair;
}

export interface StoreRepair {
  /** Images that are in the catalog again; with `formerName` under their snapshot's id, as the name is taken. */
  readonly restored: readonly RestoredName[];
  /** Names of a damaged catalog whose snapshot left nothing to restore. */
  readonly lost: readonly {
    readonly name: string;
    readonly project: string;
    readonly snapshotId: string;
  }[];
  /** Ids of snapshots whose `snapshot.json` was written anew. */
  readonly rewritten: readonly string[];
  /** Where the damaged catalog is kept. */
  readonly damagedCatalog?: string;
  readonly removed: readonly Garbage[];
  readonly freedBytes: number;
}

export interface CollectStoreGarbageOptions extends StoreOptions {
  /** Also empties the blob cache. Default false. */
  readonly blobCache?: boolean;
}

export interface StoreGarbageCollection {
  readonly home: string;
  readonly freedBytes: number;
  readonly removed: readonly Garbage[];
  /** What could not be removed, and why. */
  readonly kept: readonly Garbage[];
  readonly failures: readonly string[];
}

/** What the store takes of the disk. */
export interface StoreUsage {
  readonly home: string;
  /** Of all projects, in the order of their names. */
  readonly snapshots: readonly (DiskUsage & {
    readonly snapshotId: string;
    readonly names: readonly { readonly name: string; readonly project: string }[];
    readonly format: string;
    /** The root filesystem at `--output`, which is not in the store and not in `total`. */
    readonly outside?: DiskUsage;
  })[];
  /** Snapshots that the catalog does not know. */
  readonly unrecorded: DiskUsage;
  readonly inProgress: DiskUsage;
  readonly leftovers: DiskUsage;
  /** Layers that imports with a blob cache have kept. */
  readonly blobCache: DiskUsage;
  /** All that lies in the store's directory. */
  readonly total: DiskUsage;
}
