import { existsSync } from "node:fs";
import type { DatabaseSync } from "node:sqlite";
import { findById, findByName, listImages, readSnapshot } from "./catalog-lookups.ts";
import { rowReader } from "./catalog-rows.ts";
import type { RowReader } from "./catalog-rows.ts";
import { createCatalogFile, migrate, MISSING } from "./catalog-schema.ts";
import type { Catalog, ImageScope, RegisterRequest } from "./catalog.ts";
import { checkImageName, checkProject } from "./image-name.ts";
import { nameSnapshot, removeImage, requireCompleted } from "./image-naming.ts";
import { dropDeadReservations, requireFreeName } from "./name-claim.ts";
import type { NameClaim } from "./name-claim.ts";
import { formatSnapshotRecord } from "./record-codec.ts";
import type { ImageRecord, RegisteredImage, SnapshotRecord } from "./records.ts";
import { openSqlite } from "./sqlite-connection.ts";
import type { SqliteConnection } from "./sqlite-connection.ts";
import { corrupt } from "./store-error.ts";

export interface SqliteCatalogOptions {
  readonly path: string;
  /** Whether the import that made a reservation is still running. Called within transactions. */
  readonly isIngestLive: (ingestId: string) => boolean;
  /** Default true. False: there are snapshots already, so a catalog that is missing or empty was lost. */
  readonly mayBeNew?: boolean;
}

/**
 * Opens the catalog in one SQLite file. Its schema: `migrate`; the rules of names: `requireFreeName`.
 * @throws ImportError ERR_STORE_NEWER, ERR_STORE_CORRUPT, ERR_STORE_IO, ERR_DISK_FULL; any call may throw the last three
 */
export async function openSqliteCatalog(options: SqliteCatalogOptions): Promise<Catalog> {
  const { path, mayBeNew = true } = options;
  if (mayBeNew) createCatalogFile(path);
  else if (!existsSync(path)) throw corrupt(path, MISSING);
  const connection = await openSqlite(path);
  try {
    await migrate(connection, path, mayBeNew);
  } catch (error) {
    connection.close();
    throw error;
  }
  return new SqliteCatalog(connection, options);
}

class SqliteCatalog implements Catalog {
  readonly #connection: SqliteConnection;
  readonly #isIngestLive: (ingestId: string) => boolean;
  readonly #rows: RowReader;

  constructor(connection: SqliteConnection, { path, isIngestLive }: SqliteCatalogOptions) {
    this.#connection = connection;
    this.#isIngestLive = isIngestLive;
    this.#rows = rowReader(path);
  }

  async reserve(claim: NameClaim & { readonly ingestId: string }): Promise<void> {
    checkName(claim);
    await this.#connection.write((database) => {
      requireFreeName(database, claim, this.#isIngestLive);
      dropDeadReservations(database, claim);
      const { ingestId, project, name, public: isPublic } = claim;
      database
        .prepare("INSERT INTO reservations VALUES (?, ?, ?, ?, ?, ?)")
        .run(ingestId, project, name, isPublic ? 1 : 0, process.pid, new Date().toISOString());
    });
  }

  async requireFree(claim: NameClaim): Promise<void> {
    checkName(claim);
    await this.#connection.read((database) => {
      requireFreeName(database, claim, this.#isIngestLive);
    });
  }

  async release(ingestId: string): Promise<void> {
    await this.#connection.write((database) => {
      endReservation(database, ingestId);
    });
  }

  async commit(
    snapshot: SnapshotRecord,
    request: RegisterRequest,
    ingestId: string,
  ): Promise<RegisteredImage> {
    checkName(request);
    return this.#connection.write((database) => {
      const replaced = requireFreeName(database, { ...request, ingestId }, this.#isIngestLive);
      database
        .prepare("INSERT INTO snapshots VALUES (?, ?)")
        .run(snapshot.id, formatSnapshotRecord(snapshot));
      endReservation(database, ingestId);
      return nameSnapshot(database, { request, snapshot, replaced, rows: this.#rows });
    });
  }

  async register(request: RegisterRequest): Promise<RegisteredImage> {
    checkName(request);
    return this.#connection.write((database) => {
      const snapshot = readSnapshot(database, request.snapshotId, this.#rows);
      requireCompleted(snapshot, request.snapshotId, this.#isIngestLive);
      const replaced = requireFreeName(database, request, this.#isIngestLive);
      return nameSnapshot(database, { request, snapshot, replaced, rows: this.#rows });
    });
  }

  async find(nameOrId: string, scope: ImageScope): Promise<RegisteredImage | undefined> {
    return this.#connection.read(
      (database) =>
        findByName(database, nameOrId, scope, this.#rows) ??
        findById(database, nameOrId, scope, this.#rows),
    );
  }

  async findByName(name: string, scope: ImageScope): Promise<RegisteredImage | undefined> {
    return this.#connection.read((database) => findByName(database, name, scope, this.#rows));
  }

  async list(scope: ImageScope): Promise<readonly RegisteredImage[]> {
    return this.#connection.read((database) => listImages(database, scope, this.#rows));
  }

  async snapshot(id: string): Promise<SnapshotRecord | undefined> {
    return this.#connection.read((database) => readSnapshot(database, id, this.#rows));
  }

  async remove(nameOrId: string, scope: ImageScope): Promise<ImageRecord | undefined> {
    return this.#connection.write((database) => removeImage(database, nameOrId, scope, this.#rows));
  }

  async orphans(): Promise<readonly string[]> {
    return this.#connection.read((database) =>
      database
        .prepare("SELECT snapshot_id FROM orphans ORDER BY snapshot_id")
        .all()
        .map((row) => this.#rows.text(row, "snapshot_id")),
    );
  }

  async forgetOrphan(snapshotId: string): Promise<void> {
    await this.#connection.write((database) => {
      database.prepare("DELETE FROM orphans WHERE snapshot_id = ?").run(snapshotId);
    });
  }

  close(): void {
    this.#connection.close();
  }
}

function checkName({ name, project }: ImageScope & { readonly name: string }): void {
  checkImageName(name);
  checkProject(project);
}

function endReservation(database: DatabaseSync, ingestId: string): void {
  database.prepare("DELETE FROM reservations WHERE ingest_id = ?").run(ingestId);
}
