import type { DatabaseSync, SQLOutputValue } from "node:sqlite";
import type { ImageRecord, RegisteredImage, SnapshotRecord } from "./records.ts";
import { parseSnapshotRecord } from "./record-codec.ts";
import { corrupt } from "./store-error.ts";

export type Row = Readonly<Record<string, SQLOutputValue>>;

/** The columns that `registeredImage` reads, for the names `images` and `snapshots`. */
export const REGISTERED_COLUMNS = `images.id, images.project, images.name, images.public, images.snapshot_id,
  images.dockerfile, images.created_at, snapshots.record`;

/** Reads rows back, and believes nothing: a catalog can be damaged on disk, or edited by hand. */
export interface RowReader {
  text(row: Row, column: string): string;
  image(row: Row): ImageRecord;
  snapshot(row: Row): SnapshotRecord;
  registered(row: Row): RegisteredImage;
}

/** @param catalogPath for messages: every reading function throws ImportError ERR_STORE_CORRUPT */
export function rowReader(catalogPath: string): RowReader {
  const text = (row: Row, column: string): string => {
    const value = row[column];
    if (typeof value === "string") return value;
    throw corrupt(catalogPath, `a row has no ${column}`);
  };
  const image = (row: Row): ImageRecord => {
    const dockerfile = row["dockerfile"];
    return {
      id: text(row, "id"),
      name: text(row, "name"),
      project: text(row, "project"),
      public: row["public"] === 1,
      snapshotId: text(row, "snapshot_id"),
      createdAt: text(row, "created_at"),
      ...(typeof dockerfile === "string" ? { dockerfile } : {}),
    };
  };
  const snapshot = (row: Row): SnapshotRecord => {
    const id = text(row, "snapshot_id");
    const record = parseSnapshotRecord(text(row, "record"));
    if (record?.id === id) return record;
    throw corrupt(catalogPath, `the record of snapshot ${id} cannot be read`);
  };
  return {
    text,
    image,
    snapshot,
    registered: (row) => ({ image: image(row), snapshot: snapshot(row) }),
  };
}

/** The row that `RowReader.image` reads. */
export function insertImage(database: DatabaseSync, image: ImageRecord): void {
  database
    .prepare("INSERT INTO images VALUES (?, ?, ?, ?, ?, ?, ?)")
    .run(
      image.id,
      image.project,
      image.name,
      image.public ? 1 : 0,
      image.snapshotId,
      image.dockerfile ?? null,
      image.createdAt,
    );
}
