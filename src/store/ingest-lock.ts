import { accessSync, constants, existsSync } from "node:fs";
import type { DatabaseSync } from "node:sqlite";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { ImportError } from "../errors.ts";
import { removeFile } from "./durable-files.ts";
import { isIngestId, randomToken } from "./ids.ts";
import { isBusy, isCannotOpen, openDatabase, translating } from "./sqlite-connection.ts";
import { attempt } from "./store-error.ts";

/**
 * Who owns `ingest/<id>/`: whoever holds the lock on `ingest/<id>.lock`, an empty SQLite file. The kernel drops the lock
 * when the process ends, however it ends. A recorded pid could not be judged by a process in another container or on
 * another machine that shares the store, and would let it remove an import that is running.
 *
 *     owner      EXCLUSIVE, from before anything of the ingest exists until all of it is gone
 *     recovery   RESERVED, while it removes what a dead owner left; only one process gets it
 *     question   SHARED, for a moment: refused exactly as long as an owner lives; recovery does not disturb it
 *
 * The file is the first thing made and the last one removed, and only an owner ever creates it. So a new owner that
 * finds its file still there after locking knows that no recovery removed it in between.
 */
export interface IngestLock {
  readonly id: string;
  /** When nothing of the ingest is left: removes the file. */
  release(): void;
  /** When something could not be removed: leaves the file, so that a later run tries again. */
  abandon(): void;
}

/** Questions last microseconds; a new owner outlasts them. */
const OWNER_WAIT_MS = 2000;
const ATTEMPTS = 10;
/** An open database that nobody refers to any more is closed by the garbage collector, and its lock goes with it. */
const HELD = new Set<DatabaseSync>();

/** Becomes the owner of a new ingest. @throws ImportError ERR_STORE_IO, ERR_DISK_FULL */
export function lockNewIngest(ingestPath: string): IngestLock {
  // SQLite would only say that it cannot open a file. A missing directory is left to it, and told then.
  if (existsSync(ingestPath)) {
    attempt("write to the store at", ingestPath, () => accessSync(ingestPath, constants.W_OK));
  }
  for (let tries = 0; tries < ATTEMPTS; tries += 1) {
    const id = randomToken();
    const path = lockPath(ingestPath, id);
    const database = translating(path, () => openDatabase(path, OWNER_WAIT_MS));
    if (tryLock(database, "BEGIN EXCLUSIVE", path) && existsSync(path)) {
      return ingestLock(id, path, database);
    }
    database.close();
  }
  throw new ImportError("ERR_STORE_IO", `cannot lock a file in ${ingestPath}`, {
    hint: "Check that the file system of the store supports locks.",
  });
}

/**
 * Holds a file of this name for as long as this process does something that only one may do at a time.
 * @returns undefined while another process has it
 * @throws ImportError ERR_STORE_IO, ERR_DISK_FULL
 */
export function lockFile(path: string): (() => void) | undefined {
  const database = translating(path, () => openDatabase(path, OWNER_WAIT_MS));
  if (tryLock(database, "BEGIN EXCLUSIVE", path) && existsSync(path)) {
    const lock = ingestLock("", path, database);
    return () => lock.release();
  }
  database.close();
  return undefined;
}

/** Whether a process, this one or another, is at work on the ingest. */
export function isIngestLive(ingestPath: string, id: string): boolean {
  // The id may come from a user, or from a damaged row: it must not lead anywhere else.
  if (!isIngestId(id)) return false;
  const path = lockPath(ingestPath, id);
  const database = openExisting(path);
  if (database === undefined) return false;
  try {
    return !tryLock(database, "BEGIN; SELECT count(*) FROM sqlite_schema", path);
  } finally {
    if (database.isOpen) database.close();
  }
}

/** Takes over what a dead owner left. @returns undefined while its owner, or another recovery, is at work */
export function lockStaleIngest(ingestPath: string, id: string): IngestLock | undefined {
  const path = lockPath(ingestPath, id);
  const database = openExisting(path);
  if (database === undefined) return undefined;
  if (tryLock(database, "BEGIN IMMEDIATE", path)) return ingestLock(id, path, database);
  database.close();
  return undefined;
}

function lockPath(ingestPath: string, id: string): string {
  return join(ingestPath, `${id}.lock`);
}

function ingestLock(id: string, path: string, database: DatabaseSync): IngestLock {
  HELD.add(database);
  const abandon = (): void => {
    HELD.delete(database);
    if (database.isOpen) database.close();
  };
  return {
    id,
    release: () => {
      // The name first: once the lock is free, nobody must find it.
      try {
        removeFile(path);
      } catch {
        // Done is done: a file that stays is nobody's, and a later run removes it.
      } finally {
        abandon();
      }
    },
    abandon,
  };
}

function openExisting(path: string): DatabaseSync | undefined {
  const url = pathToFileURL(path);
  url.searchParams.set("mode", "rw");
  try {
    return openDatabase(url, 0);
  } catch (error) {
    if (isCannotOpen(error) && !existsSync(path)) return undefined;
    return translating(path, () => {
      throw error;
    });
  }
}

function tryLock(database: DatabaseSync, statements: string, path: string): boolean {
  try {
    // In memory: a rollback journal beside the file would be one more thing to clean up.
    database.exec("PRAGMA journal_mode = MEMORY");
    database.exec(statements);
    return true;
  } catch (error) {
    if (isBusy(error)) return false;
    database.close();
    return translating(path, () => {
      throw error;
    });
  }
}
