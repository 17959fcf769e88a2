import { cpSync, existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";

/** What lies in a store, as a killed process left it: looked at without the store's own code, and changing nothing. */
export interface StoreTraces {
  /** Name → snapshot id. */
  readonly names: ReadonlyMap<string, string>;
  readonly orphans: readonly string[];
  /** Ingest ids. */
  readonly reservations: readonly string[];
  readonly snapshots: readonly string[];
  /** Of ingests, without the suffix. */
  readonly locks: readonly string[];
  readonly ingests: readonly string[];
  readonly trash: readonly string[];
  /** Layers on their way into the blob cache, and the locks of who pulls them. */
  readonly incoming: readonly string[];
  /** Catalogs that a repair has begun. */
  readonly newCatalogs: readonly string[];
  /** A transaction was under way. */
  readonly hasJournal: boolean;
  /** Everything in the store's directory but the above and what belongs there. */
  readonly others: readonly string[];
}

const OWN = /^(catalog\.db(-journal)?|snapshots|ingest|blobs)$/;
const TOKEN = /^[0-9a-z]{20}$/;

export function storeTraces(home: string): StoreTraces {
  const inHome = namesIn(home);
  const inIngest = namesIn(join(home, "ingest"));
  const newCatalogs = inHome.filter((name) => name.includes(".new-"));
  return {
    ...catalogRows(home),
    snapshots: namesIn(join(home, "snapshots")),
    locks: inIngest
      .filter((name) => name.endsWith(".lock") && name !== "repair.lock")
      .map((name) => name.slice(0, -".lock".length)),
    ingests: inIngest.filter((name) => TOKEN.test(name)),
    trash: inIngest.filter((name) => name.endsWith(".trash")),
    incoming: namesIn(join(home, "blobs", "incoming")),
    newCatalogs,
    hasJournal: inHome.includes("catalog.db-journal"),
    others: [
      ...inHome.filter((name) => !OWN.test(name) && !newCatalogs.includes(name)),
      ...inIngest.filter(
        (name) => !/^([0-9a-z]{20}(\.lock|\..*\.trash)?|repair\.lock)$/.test(name),
      ),
    ],
  };
}

type CatalogRows = Pick<StoreTraces, "names" | "orphans" | "reservations">;

/** Of a copy, with the journal: SQLite rolls back there what was half-written, and the next command can do so for itself. */
function catalogRows(home: string): CatalogRows {
  const none = { names: new Map<string, string>(), orphans: [], reservations: [] };
  if (!existsSync(join(home, "catalog.db"))) return none;
  const copy = mkdtempSync(join(tmpdir(), "rootlift-catalog-"));
  try {
    for (const name of ["catalog.db", "catalog.db-journal"]) {
      if (existsSync(join(home, name))) cpSync(join(home, name), join(copy, name));
    }
    const database = new DatabaseSync(join(copy, "catalog.db"));
    try {
      return readRows(database) ?? none;
    } finally {
      database.close();
    }
  } finally {
    rmSync(copy, { recursive: true });
  }
}

function readRows(database: DatabaseSync): CatalogRows | undefined {
  const texts = (sql: string, column: string): readonly string[] =>
    database
      .prepare(sql)
      .all()
      .map((row) => String(row[column]));
  const check = texts("PRAGMA integrity_check", "integrity_check");
  if (check.join() !== "ok") throw new Error(`the catalog is damaged: ${check.join("; ")}`);
  // Killed before the schema was there.
  if (texts("SELECT name FROM sqlite_schema", "name").length === 0) return undefined;
  const dangling = texts(
    `SELECT name FROM images WHERE snapshot_id NOT IN (SELECT id FROM snapshots)
     UNION SELECT id FROM snapshots WHERE id NOT IN (SELECT snapshot_id FROM images)`,
    "name",
  );
  if (dangling.length > 0) throw new Error(`rows without each other: ${dangling.join()}`);
  return {
    names: new Map(
      database
        .prepare("SELECT name, snapshot_id FROM images ORDER BY name")
        .all()
        .map((row) => [String(row["name"]), String(row["snapshot_id"])]),
    ),
    orphans: texts("SELECT snapshot_id FROM orphans", "snapshot_id"),
    reservations: texts("SELECT ingest_id FROM reservations", "ingest_id"),
  };
}

function namesIn(path: string): readonly string[] {
  return existsSync(path) ? readdirSync(path).toSorted() : [];
}
