import { existsSync, mkdirSync, opendirSync, realpathSync, statSync } from "node:fs";
import { dirname, isAbsolute, join, resolve } from "node:path";
import { ImportError, printable } from "../errors.ts";
import { syncDirectory } from "./durable-files.ts";
import type { OpenStoreOptions } from "./store.ts";
import { attempt, errnoOf, fileError } from "./store-error.ts";

/** The places of a store. All directories are 0700: a setuid program of an image must not be within reach of local users. */
export interface StoreLayout {
  /** Real path, so that what is derived from it names one place. */
  readonly homePath: string;
  readonly catalogPath: string;
  /** `<snapshot id>/`: finished snapshots. */
  readonly snapshotsPath: string;
  /**
   * `<ingest id>/` and `<ingest id>.lock`: imports and exports in progress. `….trash/`: what nobody needs any more, to be removed now
   * or by a later run.
   */
  readonly ingestPath: string;
}

/** @throws ImportError ERR_STORE_IO when the environment names no place */
export function resolveHomePath({ homePath, env }: OpenStoreOptions): string {
  const given = homePath ?? env["ROOTLIFT_HOME"] ?? "";
  if (given !== "") return resolve(given);
  // The XDG specification: relative paths are invalid and to be ignored.
  const dataHome = env["XDG_DATA_HOME"] ?? "";
  if (isAbsolute(dataHome)) return join(dataHome, "rootlift");
  const userHome = env["HOME"] ?? "";
  if (isAbsolute(userHome)) return join(userHome, ".local", "share", "rootlift");
  throw new ImportError(
    "ERR_STORE_IO",
    "no place for the store: neither $ROOTLIFT_HOME, $XDG_DATA_HOME nor $HOME names one",
    { hint: "Set ROOTLIFT_HOME to a directory." },
  );
}

/** @param homePath a real path */
export function layoutOf(homePath: string): StoreLayout {
  return {
    homePath,
    catalogPath: join(homePath, "catalog.db"),
    snapshotsPath: join(homePath, "snapshots"),
    ingestPath: join(homePath, "ingest"),
  };
}

/** Makes what is missing. A store that can only be read stays usable for reading. @throws ImportError ERR_STORE_IO, ERR_DISK_FULL */
export function prepareHome(requestedPath: string): StoreLayout {
  const doing = "open the store";
  attempt(doing, requestedPath, () => makeDirectory(requestedPath));
  const homePath = attempt(doing, requestedPath, () => realpathSync(requestedPath));
  const layout = layoutOf(homePath);
  for (const path of [layout.snapshotsPath, layout.ingestPath]) {
    try {
      makeDirectory(path);
    } catch (error) {
      const readable = existsSync(layout.catalogPath) && isDenied(error);
      if (!readable) throw fileError(error, "use the directory", path);
    }
  }
  return layout;
}

/** Whether there is anything that a catalog could name. */
export function hasSnapshots({ snapshotsPath }: StoreLayout): boolean {
  if (!existsSync(snapshotsPath)) return false;
  return attempt("read", snapshotsPath, () => {
    const directory = opendirSync(snapshotsPath);
    try {
      return directory.readSync() !== null;
    } finally {
      directory.closeSync();
    }
  });
}

export function isDenied(error: unknown): boolean {
  return ["EROFS", "EACCES", "EPERM"].includes(errnoOf(error) ?? "");
}

/**
 * With the parents that it lacks. Not by `mkdirSync(path, { recursive: true })`: where a directory takes no new ones and
 * says ENOENT (`/proc`), that tries for ever.
 */
function makeDirectory(path: string): void {
  const missing: string[] = [];
  for (let at = path; !isDirectory(at); at = dirname(at)) missing.unshift(at);
  for (const at of missing) {
    try {
      mkdirSync(at, { mode: 0o700 });
    } catch (error) {
      if (errnoOf(error) !== "EEXIST") throw error;
      // Somebody else may have made it meanwhile; a symlink to nowhere is there and is none.
      if (!isDirectory(at)) throw notADirectory(at, "a symbolic link that leads nowhere");
    }
    syncDirectory(dirname(at));
  }
}

function isDirectory(path: string): boolean {
  const status = statSync(path, { throwIfNoEntry: false });
  if (status === undefined || status.isDirectory()) return status !== undefined;
  throw notADirectory(path, "not a directory");
}

function notADirectory(path: string, what: string): ImportError {
  return new ImportError(
    "ERR_STORE_IO",
    `the store needs ${printable(path, 4096)}, which is ${what}`,
    { hint: "Move it away, or choose another place for the store ($ROOTLIFT_HOME)." },
  );
}
