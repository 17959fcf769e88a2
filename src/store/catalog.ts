import type { ImageRecord, RegisteredImage, SnapshotRecord } from "./records.ts";

export interface ImageScope {
  /** Names are looked up in this project, then among the public ones. */
  readonly project: string;
}

export interface RegisterRequest extends ImageScope {
  readonly name: string;
  readonly snapshotId: string;
  readonly public: boolean;
  readonly dockerfile?: string;
  /** Takes the name over from an image of the same project. */
  readonly replace: boolean;
}

/** Names of snapshots. Every call is one transaction; several processes share a catalog. */
export interface Catalog {
  /**
   * Holds a name while an import runs, so that a clash shows before the pull. Reservations of processes that are gone do not count.
   * @throws ImportError ERR_NAME_TAKEN, with `--replace` as the hint; ERR_NAME_INVALID (empty, over 255 bytes, control characters)
   */
  reserve(
    request: ImageScope & {
      readonly name: string;
      readonly ingestId: string;
      readonly public: boolean;
      readonly replace: boolean;
    },
  ): Promise<void>;
  release(ingestId: string): Promise<void>;
  /** Fails as `reserve` would, and changes nothing. */
  requireFree(
    request: ImageScope & {
      readonly name: string;
      readonly public: boolean;
      readonly replace: boolean;
    },
  ): Promise<void>;
  /** Records a completed snapshot and gives it its name, in one transaction, ending the ingest's reservation. */
  commit(
    snapshot: SnapshotRecord,
    request: RegisterRequest,
    ingestId: string,
  ): Promise<RegisteredImage>;
  /** @throws ImportError ERR_NAME_TAKEN, ERR_NOT_FOUND (the snapshot), ERR_SNAPSHOT_NOT_COMPLETED */
  register(request: RegisterRequest): Promise<RegisteredImage>;
  /** By name in the project, then by public name, then by id (of the image, or of its snapshot). */
  find(nameOrId: string, scope: ImageScope): Promise<RegisteredImage | undefined>;
  findByName(name: string, scope: ImageScope): Promise<RegisteredImage | undefined>;
  /** Of the project, in the order of their names. */
  list(scope: ImageScope): Promise<readonly RegisteredImage[]>;
  snapshot(id: string): Promise<SnapshotRecord | undefined>;
  /**
   * Forgets the name; the files go after it, so that a crash leaves garbage and never a dangling name. A snapshot id will do
   * when it has one name only.
   * @throws ImportError ERR_NOT_PERMITTED (a public image of another project), ERR_OPTION_INVALID (several names)
   */
  remove(nameOrId: string, scope: ImageScope): Promise<ImageRecord | undefined>;
  /** Snapshots that lost their last name and whose files may still be there. */
  orphans(): Promise<readonly string[]>;
  /** Once the files are gone. */
  forgetOrphan(snapshotId: string): Promise<void>;
  close(): void;
}
