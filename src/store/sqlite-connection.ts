import type { DatabaseSync } from "node:sqlite";
import { setTimeout as sleep } from "node:timers/promises";
import { diskFull, diskRoom } from "../disk-full.ts";
import { ImportError, printable } from "../errors.ts";
import { corrupt, NO_SPACE_HINT } from "./store-error.ts";

/** How long SQLite itself waits for a lock. Short: it blocks the event loop, which may be drawing progress. */
const LOCK_WAIT_MS = 100;
/** How long a call waits for other processes. Two hundred of them at once, on a slow disk, stay well below. */
const BUSY_DEADLINE_MS = 120_000;
const MAX_BACK_OFF_MS = 250;

/** Primary result codes (sqlite3.h). The extended code has more above the low byte. */
const SQLITE = {
  error: 1,
  busy: 5,
  locked: 6,
  readOnly: 8,
  ioError: 10,
  corrupt: 11,
  full: 13,
  cannotOpen: 14,
  tooBig: 18,
  notADatabase: 26,
} as const;

/** What is in the file is not what we wrote. `error` is one in statements, which are right: so the schema is not. */
const DAMAGE: ReadonlySet<number> = new Set([
  SQLITE.error,
  SQLITE.corrupt,
  SQLITE.tooBig,
  SQLITE.notADatabase,
]);

/**
 * One database, shared with other processes. The body of a transaction is synchronous, and runs again when the database
 * was busy: it does nothing but read and write rows.
 */
export interface SqliteConnection {
  read<T>(body: (database: DatabaseSync) => T): Promise<T>;
  /** Takes the write lock first (BEGIN IMMEDIATE), so that what the body reads stays true until it commits. */
  write<T>(body: (database: DatabaseSync) => T): Promise<T>;
  close(): void;
}

/**
 * Opens without creating a journal in WAL mode: the rollback journal works on every file system that has locks, needs
 * no shared memory, leaves one file, and lets a store on read-only media be listed. `synchronous = EXTRA` also syncs
 * the directory once the journal is gone: only then a commit outlives a power-off.
 * @throws ImportError ERR_STORE_IO, ERR_STORE_CORRUPT, ERR_DISK_FULL
 */
export async function openSqlite(path: string): Promise<SqliteConnection> {
  const database = translating(path, () => openDatabase(path, LOCK_WAIT_MS));
  try {
    // Even this reads the file, so another process can be in the way.
    await retrying(path, () =>
      database.exec("PRAGMA synchronous = EXTRA; PRAGMA trusted_schema = OFF;"),
    );
  } catch (error) {
    database.close();
    throw error;
  }
  return {
    read: (body) => retrying(path, () => inTransaction(database, "BEGIN", body)),
    write: (body) => retrying(path, () => inTransaction(database, "BEGIN IMMEDIATE", body)),
    close: () => {
      if (database.isOpen) database.close();
    },
  };
}

/** Loads node:sqlite on first use, without the warning that some versions of Node print; all other warnings pass. */
export function openDatabase(path: string | URL, timeout: number): DatabaseSync {
  const previous = Object.getOwnPropertyDescriptor(process, "emitWarning");
  const emitWarning = process.emitWarning.bind(process);
  // Synchronous from here to `finally`: no warning of anybody else can fall in between.
  process.emitWarning = (warning: string | Error, ...rest: readonly unknown[]): void => {
    const text = typeof warning === "string" ? warning : warning.message;
    if (rest[0] === "ExperimentalWarning" && text.startsWith("SQLite")) return;
    Reflect.apply(emitWarning, undefined, [warning, ...rest]);
  };
  try {
    const { DatabaseSync: Database } = process.getBuiltinModule("node:sqlite");
    return new Database(path, { timeout });
  } finally {
    if (previous !== undefined) Object.defineProperty(process, "emitWarning", previous);
  }
}

/** Another connection holds a lock. */
export function isBusy(error: unknown): boolean {
  const code = sqliteCode(error);
  return code === SQLITE.busy || code === SQLITE.locked;
}

/** The file is not there, or may not be opened. */
export function isCannotOpen(error: unknown): boolean {
  return sqliteCode(error) === SQLITE.cannotOpen;
}

/** The file is damaged; disks that fail and locks are not that. */
export function isDamage(error: unknown): boolean {
  if (error instanceof ImportError) return error.code === "ERR_STORE_CORRUPT";
  return DAMAGE.has(sqliteCode(error) ?? 0);
}

/** Runs `operation`; what SQLite throws becomes an ImportError that names the file. */
export function translating<T>(path: string, operation: () => T): T {
  try {
    return operation();
  } catch (error) {
    throw sqliteError(error, path);
  }
}

async function retrying<T>(path: string, operation: () => T): Promise<T> {
  const deadline = performance.now() + BUSY_DEADLINE_MS;
  for (let attempt = 0; ; attempt += 1) {
    try {
      return operation();
    } catch (error) {
      if (!isBusy(error) || performance.now() > deadline) throw sqliteError(error, path);
    }
    // Full jitter: processes that collided once must not do so in step ever after.
    await sleep(Math.random() * Math.min(5 * 2 ** attempt, MAX_BACK_OFF_MS));
  }
}

function inTransaction<T>(
  database: DatabaseSync,
  begin: string,
  body: (database: DatabaseSync) => T,
): T {
  database.exec(begin);
  try {
    const result = body(database);
    database.exec("COMMIT");
    return result;
  } catch (error) {
    rollBack(database);
    throw error;
  }
}

function rollBack(database: DatabaseSync): void {
  try {
    if (database.isTransaction) database.exec("ROLLBACK");
  } catch {
    // After an I/O error SQLite has rolled back, or will when the journal is next read; the first error tells more.
  }
}

function sqliteCode(error: unknown): number | undefined {
  if (!(error instanceof Error) || !("errcode" in error)) return undefined;
  return typeof error.errcode === "number" ? error.errcode & 0xff : undefined;
}

function sqliteError(error: unknown, path: string): ImportError {
  if (error instanceof ImportError) return error;
  const place = printable(path, 4096);
  const why = error instanceof Error ? printable(error.message) : "unknown";
  const context = { cause: error, details: { path: place } };
  if (isDamage(error)) return corrupt(path, why, error);
  switch (sqliteCode(error)) {
    case SQLITE.full:
      return catalogFull(place, error);
    case SQLITE.readOnly:
    case SQLITE.cannotOpen:
      return notWritable(path, why, error);
    case SQLITE.busy:
    case SQLITE.locked:
      return new ImportError("ERR_STORE_IO", `the catalog ${place} stayed locked for two minutes`, {
        ...context,
        hint: "Look for a process that holds it open, for instance a backup.",
      });
    case undefined:
    default:
      return new ImportError("ERR_STORE_IO", `cannot use the catalog ${place}: ${why}`, {
        ...context,
        hint: "Look at the health of the disk that holds the store (dmesg), then try again.",
      });
  }
}

function notWritable(path: string, why: string, cause: unknown): ImportError {
  const place = printable(path, 4096);
  // SQLite keeps the errno to itself.
  if (diskRoom(path)?.inodes?.free === 0) return catalogFull(place, cause);
  return new ImportError("ERR_STORE_IO", `cannot open the catalog ${place} for writing: ${why}`, {
    cause,
    details: { path: place },
    hint: "Run as the user who owns the store, or choose another place ($ROOTLIFT_HOME).",
  });
}

function catalogFull(place: string, cause: unknown): ImportError {
  return diskFull({ doing: "write the catalog", place, hint: NO_SPACE_HINT, cause });
}
