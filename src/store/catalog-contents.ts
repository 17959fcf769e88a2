import { existsSync } from "node:fs";
import type { DatabaseSync } from "node:sqlite";
import { EMPTY, MISSING, schemaVersion } from "./catalog-schema.ts";
import { rowReader, type Row, type RowReader } from "./catalog-rows.ts";
import type { ImageRecord, SnapshotRecord } from "./records.ts";
import { isBusy, isDamage, openSqlite } from "./sqlite-connection.ts";

/** All that a catalog says, as far as it can be read. */
export interface CatalogContents {
  /** What is wrong with the catalog itself; none: it is sound. */
  readonly faults: readonly string[];
  /** Of all projects, in the order of projects and names. */
  readonly images: readonly ImageRecord[];
  /** By the snapshot's id. */
  readonly records: ReadonlyMap<string, SnapshotRecord>;
  readonly orphans: readonly string[];
}

interface Collected {
  readonly faults: string[];
  readonly images: ImageRecord[];
  readonly records: Map<string, SnapshotRecord>;
  readonly orphans: string[];
}

/** Enough to see what kind of damage it is. */
const MOST_FAULTS = 20;

/**
 * Reads a catalog that may be damaged, and changes nothing: each table as far as it goes, each row for itself.
 * @param hasSnapshots then a catalog that is missing or empty was lost
 * @throws ImportError ERR_STORE_NEWER, ERR_STORE_IO
 */
export async function readCatalogContents(
  path: string,
  hasSnapshots: boolean,
): Promise<CatalogContents> {
  let collected = nothing();
  if (!existsSync(path)) return { ...collected, faults: hasSnapshots ? [MISSING] : [] };
  try {
    const connection = await openSqlite(path);
    try {
      await connection.read((database) => {
        // Runs again when another process was in the way.
        collected = nothing();
        if (schemaVersion(database, path) > 0) collect(database, collected, rowReader(path));
        else if (hasSnapshots) collected.faults.push(EMPTY);
      });
    } finally {
      connection.close();
    }
  } catch (error) {
    if (!isDamage(error)) throw error;
    collected.faults.push(messageOf(error));
  }
  return { ...collected, faults: [...new Set(collected.faults)] };
}

function nothing(): Collected {
  return { faults: [], images: [], records: new Map(), orphans: [] };
}

function collect(database: DatabaseSync, into: Collected, rows: RowReader): void {
  const { faults } = into;
  const each = (statement: string, take: (row: Row) => void): void =>
    attempting(faults, () => {
      for (const row of database.prepare(statement).iterate()) {
        attempting(faults, () => take(row));
      }
    });
  each(`PRAGMA integrity_check(${MOST_FAULTS})`, (row) => {
    const found = rows.text(row, "integrity_check");
    if (found !== "ok") faults.push(found.replaceAll(/\s+/g, " "));
  });
  each("SELECT * FROM images ORDER BY project, name", (row) => into.images.push(rows.image(row)));
  each("SELECT id AS snapshot_id, record FROM snapshots", (row) => {
    const record = rows.snapshot(row);
    into.records.set(record.id, record);
  });
  each("SELECT snapshot_id FROM orphans ORDER BY snapshot_id", (row) =>
    into.orphans.push(rows.text(row, "snapshot_id")),
  );
  each(
    `SELECT name, snapshot_id FROM images WHERE NOT EXISTS
       (SELECT 1 FROM snapshots WHERE snapshots.id = images.snapshot_id)`,
    (row) => {
      const snapshotId = rows.text(row, "snapshot_id");
      faults.push(`there is no record of ${snapshotId}, which "${rows.text(row, "name")}" names`);
    },
  );
}

function attempting(faults: string[], action: () => void): void {
  try {
    action();
  } catch (error) {
    if (isBusy(error) || !isDamage(error)) throw error;
    faults.push(messageOf(error));
  }
}

function messageOf(error: unknown): string {
  const message = error instanceof Error ? error.message : "unknown";
  // Those of ours begin with the path, which whoever reads this knows.
  return message.replace(/^the catalog .* is damaged: /, "");
}
