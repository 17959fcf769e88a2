import type { DatabaseSync } from "node:sqlite";
import { REGISTERED_COLUMNS } from "./catalog-rows.ts";
import type { RowReader } from "./catalog-rows.ts";
import type { ImageScope } from "./catalog.ts";
import type { RegisteredImage, SnapshotRecord } from "./records.ts";

const FROM_REGISTERED = `SELECT ${REGISTERED_COLUMNS} FROM images
  LEFT JOIN snapshots ON snapshots.id = images.snapshot_id`;

export function listImages(
  database: DatabaseSync,
  { project }: ImageScope,
  rows: RowReader,
): RegisteredImage[] {
  return database
    .prepare(`${FROM_REGISTERED} WHERE project = ? ORDER BY name`)
    .all(project)
    .map((row) => rows.registered(row));
}

export function readSnapshot(
  database: DatabaseSync,
  id: string,
  rows: RowReader,
): SnapshotRecord | undefined {
  const row = database
    .prepare("SELECT id AS snapshot_id, record FROM snapshots WHERE id = ?")
    .get(id);
  return row === undefined ? undefined : rows.snapshot(row);
}

/** The project's own image wins over a public one of the same name. */
export function findByName(
  database: DatabaseSync,
  name: string,
  { project }: ImageScope,
  rows: RowReader,
): RegisteredImage | undefined {
  const row = database
    .prepare(
      `${FROM_REGISTERED} WHERE name = $name AND (project = $project OR public = 1)
       ORDER BY project = $project DESC LIMIT 1`,
    )
    .get({ name, project });
  return row === undefined ? undefined : rows.registered(row);
}

/** By the id of the image, or of its snapshot: then the first of its names. */
export function findById(
  database: DatabaseSync,
  id: string,
  { project }: ImageScope,
  rows: RowReader,
): RegisteredImage | undefined {
  const row = database
    .prepare(
      `${FROM_REGISTERED} WHERE (images.id = $id OR snapshot_id = $id)
         AND (project = $project OR public = 1)
       ORDER BY images.id = $id DESC, project = $project DESC, name LIMIT 1`,
    )
    .get({ id, project });
  return row === undefined ? undefined : rows.registered(row);
}
