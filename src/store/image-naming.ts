import type { DatabaseSync } from "node:sqlite";
import { ImportError, printable } from "../errors.ts";
import { findById, findByName } from "./catalog-lookups.ts";
import { insertImage, type Row, type RowReader } from "./catalog-rows.ts";
import type { ImageScope, RegisterRequest } from "./catalog.ts";
import { ingestIdOf, newImageId } from "./ids.ts";
import type { ImageRecord, RegisteredImage, SnapshotRecord } from "./records.ts";

export interface Naming {
  readonly request: RegisterRequest;
  readonly snapshot: SnapshotRecord;
  /** The image whose name it takes over. */
  readonly replaced: Row | undefined;
  readonly rows: RowReader;
}

/** Gives a recorded snapshot its name. The name is free, or that of `replaced`. */
export function nameSnapshot(database: DatabaseSync, naming: Naming): RegisteredImage {
  const { request, snapshot, replaced, rows } = naming;
  const image: ImageRecord = {
    id: newImageId(),
    name: request.name,
    project: request.project,
    public: request.public,
    snapshotId: snapshot.id,
    createdAt: new Date().toISOString(),
    ...(request.dockerfile === undefined ? {} : { dockerfile: request.dockerfile }),
  };
  if (replaced !== undefined) {
    database.prepare("DELETE FROM images WHERE id = ?").run(rows.text(replaced, "id"));
  }
  insertImage(database, image);
  if (replaced !== undefined) orphan(database, rows.text(replaced, "snapshot_id"));
  return { image, snapshot };
}

/** Gives a snapshot up when no name has it any more. Its files are still there: `orphans` says so until they are gone. */
function orphan(database: DatabaseSync, snapshotId: string): void {
  const named = database.prepare("SELECT 1 FROM images WHERE snapshot_id = ?").get(snapshotId);
  if (named !== undefined) return;
  database.prepare("DELETE FROM snapshots WHERE id = ?").run(snapshotId);
  database.prepare("INSERT OR REPLACE INTO orphans VALUES (?)").run(snapshotId);
}

/** @throws ImportError ERR_NOT_FOUND, ERR_SNAPSHOT_NOT_COMPLETED, in the words that `tl` users know */
export function requireCompleted(
  snapshot: SnapshotRecord | undefined,
  id: string,
  isIngestLive: (ingestId: string) => boolean,
): asserts snapshot is SnapshotRecord {
  const shown = printable(id);
  const details = { snapshotId: shown };
  const notCompleted = (why: string): ImportError =>
    new ImportError("ERR_SNAPSHOT_NOT_COMPLETED", `snapshot ${shown} ${why}`, {
      details,
      hint: "Name a snapshot that an import has completed.",
    });
  if (snapshot === undefined) {
    if (isIngestLive(ingestIdOf(id))) throw notCompleted("is not completed (status: in_progress)");
    throw new ImportError("ERR_NOT_FOUND", `snapshot ${shown} not found`, {
      details,
      hint: "`tl sbx image ls` lists the snapshots that have a name.",
    });
  }
  const { status, snapshotUri, sizeBytes, rootfsDiskBytes } = snapshot;
  if (status !== "completed") throw notCompleted(`is not completed (status: ${status})`);
  const wanted = {
    sandbox_id: snapshot.sandboxId,
    snapshot_uri: snapshotUri,
    size_bytes: sizeBytes,
    rootfs_disk_bytes: rootfsDiskBytes,
  };
  for (const [field, value] of Object.entries(wanted)) {
    if (value === undefined || value === "") throw notCompleted(`is missing ${field}`);
  }
}

/** Only images of the project itself: a public one is everybody's to use, and its owner's to remove. */
export function removeImage(
  database: DatabaseSync,
  nameOrId: string,
  scope: ImageScope,
  rows: RowReader,
): ImageRecord | undefined {
  const candidates = ["name = ?", "id = ?", "snapshot_id = ?"].map((condition) =>
    database
      .prepare(`SELECT * FROM images WHERE project = ? AND ${condition} ORDER BY name`)
      .all(scope.project, nameOrId),
  );
  const found = candidates.find((images) => images.length > 0) ?? [];
  const [row, another] = found;
  if (row === undefined) {
    refuseForeign(findByName(database, nameOrId, scope, rows), nameOrId);
    refuseForeign(findById(database, nameOrId, scope, rows), nameOrId);
    return undefined;
  }
  if (another !== undefined) {
    const names = found.map((image) => `"${printable(rows.text(image, "name"))}"`).join(", ");
    throw new ImportError(
      "ERR_OPTION_INVALID",
      `snapshot ${printable(nameOrId)} has ${found.length} names: ${names}`,
      { hint: "Remove the names one by one." },
    );
  }
  const image = rows.image(row);
  database.prepare("DELETE FROM images WHERE id = ?").run(image.id);
  orphan(database, image.snapshotId);
  return image;
}

function refuseForeign(found: RegisteredImage | undefined, nameOrId: string): void {
  if (found === undefined) return;
  const owner = printable(found.image.project);
  throw new ImportError(
    "ERR_NOT_PERMITTED",
    `image "${printable(nameOrId)}" is a public image of project "${owner}"`,
    { hint: "Remove it in that project (set $TENSORLAKE_PROJECT_ID)." },
  );
}
