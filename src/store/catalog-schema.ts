import { closeSync, openSync } from "node:fs";
import type { DatabaseSync } from "node:sqlite";
import { ImportError, printable } from "../errors.ts";
import { isDenied } from "./store-home.ts";
import { corrupt, errnoOf, fileError } from "./store-error.ts";
import type { SqliteConnection } from "./sqlite-connection.ts";

/** "rtlf": a database without it is somebody else's. */
const APPLICATION_ID = 0x72_74_6c_66;

/**
 * Entry n brings a catalog from schema version n to n + 1 (`PRAGMA user_version`). Never edit one that was released.
 *
 * `snapshots.record` is the text of `snapshot.json`. A snapshot has a row exactly as long as an image names it; when the
 * last name goes, the row becomes one of `orphans`, until the files are gone. Files without either row are never touched:
 * they may be all that is left when the catalog was lost.
 */
const MIGRATIONS: readonly string[] = [
  `CREATE TABLE snapshots (
     id TEXT PRIMARY KEY,
     record TEXT NOT NULL
   ) STRICT;
   CREATE TABLE images (
     id TEXT PRIMARY KEY,
     project TEXT NOT NULL,
     name TEXT NOT NULL,
     public INTEGER NOT NULL CHECK (public IN (0, 1)),
     snapshot_id TEXT NOT NULL REFERENCES snapshots (id),
     dockerfile TEXT,
     created_at TEXT NOT NULL,
     UNIQUE (project, name)
   ) STRICT;
   CREATE UNIQUE INDEX public_names ON images (name) WHERE public = 1;
   CREATE INDEX images_by_snapshot ON images (snapshot_id);
   CREATE TABLE reservations (
     ingest_id TEXT PRIMARY KEY,
     project TEXT NOT NULL,
     name TEXT NOT NULL,
     public INTEGER NOT NULL CHECK (public IN (0, 1)),
     pid INTEGER NOT NULL,
     created_at TEXT NOT NULL
   ) STRICT;
   CREATE INDEX reservations_by_name ON reservations (name);
   CREATE TABLE orphans (
     snapshot_id TEXT PRIMARY KEY
   ) STRICT;`,
];

const SCHEMA_VERSION = MIGRATIONS.length;

/** What is wrong with a catalog in a store that has snapshots. */
export const MISSING = "it is not there, and there are snapshots";
export const EMPTY = "it is empty, and there are snapshots";

/** The database file, for its owner only: configs of images hold secrets more often than they should. */
export function createCatalogFile(path: string): void {
  try {
    closeSync(openSync(path, "wx", 0o600));
  } catch (error) {
    // Denied: there may be a catalog to read all the same; SQLite says what is wrong otherwise.
    if (errnoOf(error) !== "EEXIST" && !isDenied(error)) throw fileError(error, "make", path);
  }
}

/**
 * Brings the schema up to date, all steps in one transaction.
 * @param mayBeNew false: an empty file is a catalog that was lost, not a new one
 * @throws ImportError ERR_STORE_NEWER, ERR_STORE_CORRUPT
 */
export async function migrate(
  connection: SqliteConnection,
  path: string,
  mayBeNew = true,
): Promise<void> {
  const version = await connection.read((database) => schemaVersion(database, path));
  if (version === SCHEMA_VERSION) return;
  if (version === 0 && !mayBeNew) throw corrupt(path, EMPTY);
  await connection.write((database) => {
    // Another process may have been faster.
    const current = schemaVersion(database, path);
    for (const step of MIGRATIONS.slice(current)) database.exec(step);
    database.exec(`PRAGMA application_id = ${APPLICATION_ID}`);
    database.exec(`PRAGMA user_version = ${SCHEMA_VERSION}`);
  });
}

/** @returns 0 for an empty file @throws ImportError ERR_STORE_NEWER, ERR_STORE_CORRUPT */
export function schemaVersion(database: DatabaseSync, path: string): number {
  const version = pragma(database, "user_version");
  const application = pragma(database, "application_id");
  const fresh = version === 0 && application === 0 && tables(database) === 0;
  if (fresh) return 0;
  if (application !== APPLICATION_ID) throw corrupt(path, "it is not a catalog of rootlift");
  if (version < 1) throw corrupt(path, `it has the schema version ${version}`);
  if (version <= SCHEMA_VERSION) return version;
  throw new ImportError(
    "ERR_STORE_NEWER",
    `the store ${printable(path, 4096)} has schema version ${version}, this rootlift knows up to ${SCHEMA_VERSION}`,
    { hint: "Use the newer rootlift that wrote it, or another store ($ROOTLIFT_HOME)." },
  );
}

function pragma(database: DatabaseSync, name: string): number {
  return Number(database.prepare(`PRAGMA ${name}`).get()?.[name]);
}

function tables(database: DatabaseSync): number {
  return Number(database.prepare("SELECT count(*) AS tables FROM sqlite_schema").get()?.["tables"]);
}
