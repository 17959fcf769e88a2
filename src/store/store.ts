import type { Catalog, RegisterRequest } from "./catalog.ts";
import type { ExportPlace, ExportPlaceOptions } from "./export-place.ts";
import type { RegisteredImage, SnapshotRecord } from "./records.ts";

export interface OpenStoreOptions {
  /** Default: `$ROOTLIFT_HOME`, else `$XDG_DATA_HOME/rootlift`, else `~/.local/share/rootlift`. */
  readonly homePath?: string;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** The directory that holds snapshots, imports (and exports) in progress and the catalog (design: "The store"). Shared by processes. */
export interface Store {
  readonly homePath: string;
  readonly catalog: Catalog;
  /** Starts an import: removes ingests whose process is gone, reserves the name, makes `ingest/<id>/`. */
  beginIngest(request: BeginIngest): Promise<Ingest>;
  /** Makes the place where an export grows. @throws ImportError ERR_OUTPUT_EXISTS, ERR_OUTPUT_IO, ERR_OPTION_INVALID, ERR_DISK_FULL */
  openExport(options: ExportPlaceOptions): ExportPlace;
  /** Removes what belongs to no process and no name. @returns what went, for messages */
  removeStaleIngests(): Promise<number>;
  /** Names a completed snapshot: `Catalog.register`, and the files of a snapshot that lost its last name go. */
  registerImage(request: RegisterRequest): Promise<RegisteredImage>;
  /**
   * Forgets a name. When no other name has its snapshot, that goes too, with its files in the store; a root filesystem
   * outside (`--output`) stays.
   * @throws ImportError ERR_NOT_PERMITTED, ERR_OPTION_INVALID (see `Catalog.remove`), ERR_STORE_IO (files that cannot be removed)
   */
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
  /** Default true. False: it is a file, and at `outputPath` not even an empty directory may be. */
  readonly isDirectory?: boolean;
  /** Default true. False: what the store writes for this import is not synced; the catalog is, always. */
  readonly fsync?: boolean;
}

/** What the store does not know by itself. */
export type SnapshotFacts = Omit<SnapshotRecord, "id" | "status" | "sandboxId" | "snapshotUri">;

export interface CommitFiles {
  readonly configBytes: Uint8Array;
  readonly manifestBytes: Uint8Array;
  /** Of a disk image: the file `checksums`, as `formatImageChecksums` writes it. */
  readonly checksumsBytes?: Uint8Array;
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
    facts: SnapshotFacts,
    files: CommitFiles,
    request: Omit<RegisterRequest, "snapshotId">,
  ): Promise<RegisteredImage>;
  /** Removes everything of this import. Safe to call twice, and after `commit` (then it does nothing). */
  abort(): Promise<void>;
}
