import type { DatabaseSync } from "node:sqlite";
import { ImportError } from "../errors.ts";
import { insertImage } from "./catalog-rows.ts";
import { checkImageName, checkProject } from "./image-name.ts";
import { requireFreeName } from "./name-claim.ts";
import { formatSnapshotRecord } from "./record-codec.ts";
import type { ImageRecord, SnapshotRecord } from "./records.ts";

export interface Restoration {
  readonly records: readonly SnapshotRecord[];
  /** Those that come first keep a name that several have. */
  readonly images: readonly ImageRecord[];
  readonly orphans: readonly string[];
  readonly isIngestLive: (ingestId: string) => boolean;
}

/** An image that a repair brought back. */
export interface RestoredName {
  readonly name: string;
  readonly project: string;
  readonly snapshotId: string;
  /** The name that it had, where that is taken or cannot be used; then `name` is the snapshot's id. */
  readonly formerName?: string;
}

/**
 * Within a transaction: gives snapshots their rows and names. One whose name is taken gets its own id as a name, so that
 * nothing is lost; a snapshot that has a row by now is left alone.
 */
export function restoreRows(
  database: DatabaseSync,
  { records, images, orphans, isIngestLive }: Restoration,
): readonly RestoredName[] {
  const fresh = new Set<string>();
  for (const record of records) {
    if (isKnown(database, record.id)) continue;
    database
      .prepare("INSERT INTO snapshots VALUES (?, ?)")
      .run(record.id, formatSnapshotRecord(record));
    fresh.add(record.id);
  }
  const restored: RestoredName[] = [];
  for (const image of images.filter(({ snapshotId }) => fresh.has(snapshotId))) {
    const free = isFree(database, image, isIngestLive);
    const given = free ? image : { ...image, ...ownName(image) };
    // It has its own id as a name already.
    if (!free && !isFree(database, given, isIngestLive)) continue;
    insertImage(database, given);
    const { name, project, snapshotId } = given;
    const formerName = free ? {} : { formerName: image.name };
    restored.push({ name, project, snapshotId, ...formerName });
  }
  for (const id of orphans) {
    database.prepare("INSERT OR IGNORE INTO orphans VALUES (?)").run(id);
  }
  return restored;
}

/** A name that nobody else has. */
function ownName({
  snapshotId,
  project,
}: ImageRecord): Pick<ImageRecord, "name" | "project" | "public"> {
  const usable = isUsable(() => checkProject(project));
  return { name: snapshotId, project: usable ? project : "default", public: false };
}

function isKnown(database: DatabaseSync, id: string): boolean {
  return (
    database.prepare("SELECT 1 FROM snapshots WHERE id = ?").get(id) !== undefined ||
    database.prepare("SELECT 1 FROM orphans WHERE snapshot_id = ?").get(id) !== undefined
  );
}

function isFree(
  database: DatabaseSync,
  { name, project, public: isPublic }: ImageRecord,
  isIngestLive: (ingestId: string) => boolean,
): boolean {
  return isUsable(() => {
    checkImageName(name);
    checkProject(project);
    requireFreeName(database, { name, project, public: isPublic, replace: false }, isIngestLive);
  });
}

function isUsable(check: () => void): boolean {
  try {
    check();
    return true;
  } catch (error) {
    const codes = ["ERR_NAME_TAKEN", "ERR_NAME_INVALID", "ERR_OPTION_INVALID"];
    if (error instanceof ImportError && codes.includes(error.code)) return false;
    throw error;
  }
}
