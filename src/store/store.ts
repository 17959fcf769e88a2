import type { Catalog, RegisterRequest } from "./catalog.ts";
import type { RegisteredImage, SnapshotRecord } from "./records.ts";

export interface OpenStoreOptions {
  /** Default: `$ROOTLIFT_HOME`, else `$XDG_DATA_HOME/rootlift`, else `~/.local/share/rootlift`. */
  readonly homePath?: string;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** The directory that holds snapshots, imports in progress and the catalog (design: "The store"). Shared by processes. */
export interface Store {
  readonly homePath: string;
  readonly catalog: Catalog;
  /** Starts an import: removes ingests whose process is gone, reserves the name, makes `ingest/<id>/`. */
  beginIngest(request: BeginIngest): Promise<Ingest>;
  /** Removes what belongs to no process and no name. @returns what went, for messages */
  removeStaleIngests(): Promise<number>;
  /** Forgets a name and, when no other name has it and it lies in the store, removes its snapshot. */
  removeImage(nameOrId: string, project: string): Promise<RegisteredImage | undefined>;
  close(): void;
}

export interface BeginIngest {
  readonly name: string;
  readonly project: string;
  readonly public: boolean;
  readonly replace: boolean;
  /** Absolute; the root filesystem ends up there instead of in the store. Must not exist, or be an empty directory. */
  readonly outputPath?: string;
  /** The name of the root filesystem in the snapshot's directory: `rootfs`, `rootfs.ext4` … */
  readonly rootfsName: string;
}

/** One import in progress. Exactly one of `commit` and `abort` ends it. */
export interface Ingest {
  readonly id: string;
  readonly snapshotId: string;
  /** Private (0700), on the file system of the final place; the sink builds in it. */
  readonly stagingPath: string;
  /** Where the sink leaves the finished root filesystem, inside `stagingPath`. */
  readonly rootfsPath: string;
  /**
   * Makes it visible: writes and syncs `config.json` and `snapshot.json`, renames the root filesystem to its final place,
   * syncs the directories, then records snapshot and name in one catalog transaction. All or nothing: when any step
   * fails, what was renamed goes away again and the old image of a `replace` stays.
   */
  commit(
    snapshot: Omit<SnapshotRecord, "id" | "status" | "sandboxId" | "snapshotUri">,
    files: { readonly configBytes: Uint8Array; readonly manifestBytes: Uint8Array },
    request: Omit<RegisterRequest, "snapshotId">,
  ): Promise<RegisteredImage>;
  /** Removes everything of this import. Safe to call twice, and after `commit` (then it does nothing). */
  abort(): Promise<void>;
}
