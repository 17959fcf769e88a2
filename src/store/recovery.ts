import { existsSync, readdirSync, renameSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { removeStaleIncoming } from "./blob-files.ts";
import { removeUnfinishedCatalogs } from "./catalog-files.ts";
import type { Catalog } from "./catalog.ts";
import { syncDirectory } from "./durable-files.ts";
import { isIngestId, isSnapshotId, randomToken, snapshotIdOf } from "./ids.ts";
import { lockStaleIngest } from "./ingest-lock.ts";
import type { IngestLock } from "./ingest-lock.ts";
import { readIngestOutput } from "./ingest-record.ts";
import { removeMadeParents, withdraw } from "./output-place.ts";
import type { Identity, OutputPlace } from "./output-place.ts";
import { removeWorkspace } from "./remove-tree.ts";
import { errnoOf, fileError } from "./store-error.ts";
import type { StoreLayout } from "./store-home.ts";

/**
 * Why a crash at any point is harmless. An import goes through these states; each arrow is one atomic step:
 *
 *     lock file → reservation → ingest/<id>/ → staging → snapshots/<id>/ → (output) → catalog row → clean-up → no lock file
 *
 * Up to the row, recovery walks back: the id says which snapshot is half-made, `ingest.json` which output. From the row on
 * it walks forward and only cleans up. The lock file goes last, so what it stands for is never forgotten; while the owner
 * lives nobody else touches any of it. A snapshot that loses its last name becomes an `orphan` in the same transaction;
 * its files move to the trash, then the orphan is forgotten, then the trash is emptied.
 *
 * An export is the same without reservation, snapshot and row (`export-place.ts`); once published, its output stays.
 */
export interface StoreContext {
  readonly layout: StoreLayout;
  readonly catalog: Catalog;
}

export const TRASH = ".trash";

/** What an ingest has outside the store. */
export interface Outside {
  readonly output?: OutputPlace;
  readonly published?: Identity;
  /** False: nobody waits for the disk after a commit, where a sync would write the whole image. Default true. */
  readonly fsync?: boolean;
}

/**
 * Removes what dead imports, removals and replacements left. What cannot be removed (a directory of another user, a
 * mount point) stays for a later run: it must not stop a new import.
 * @param onFailure told of each thing that stays
 * @returns how many things went
 */
export async function removeLeftovers(
  context: StoreContext,
  onFailure: (error: unknown) => void = doNothing,
): Promise<number> {
  let removed = 0;
  const count = async (work: Promise<boolean>): Promise<void> => {
    try {
      if (await work) removed += 1;
    } catch (error) {
      onFailure(error);
    }
  };
  const { ingestPath } = context.layout;
  for (const id of ingestIds(ingestPath)) await count(recoverIngest(context, id));
  for (const id of await context.catalog.orphans()) await count(removeOrphan(context, id));
  for (const name of listDirectory(ingestPath).filter((entry) => entry.endsWith(TRASH))) {
    await count(removeWorkspace(join(ingestPath, name)).then(() => true));
  }
  await count(removeUnfinishedBlobs(context.layout));
  await count(removeUnfinishedRepairs(context.layout));
  return removed;
}

async function removeUnfinishedBlobs({ homePath }: StoreLayout): Promise<boolean> {
  return removeStaleIncoming(homePath) > 0;
}

async function removeUnfinishedRepairs(layout: StoreLayout): Promise<boolean> {
  return removeUnfinishedCatalogs(layout);
}

/**
 * Removes the files of snapshots that lost their last name.
 * @throws ImportError ERR_STORE_IO when some stay; a later run tries again
 */
export async function removeOrphans(context: StoreContext): Promise<void> {
  for (const id of await context.catalog.orphans()) await removeOrphan(context, id);
}

/**
 * Removes all traces of an ingest but the snapshot that it completed, if it did; then gives its lock up.
 * @throws ImportError ERR_STORE_IO, ERR_OUTPUT_IO; then the lock file stays, and a later run tries again
 */
export async function discardIngest(
  { layout, catalog }: StoreContext,
  lock: IngestLock,
  { output, published, fsync = true }: Outside,
  committed: boolean,
): Promise<void> {
  try {
    if (output !== undefined) {
      if (!committed && published !== undefined) takeBack(output, published);
      await removeWorkspace(output.stagingPath);
      // Before `ingest.json` goes, which alone knows of it.
      if (!committed || fsync) syncIfPresent(dirname(output.stagingPath));
      if (!committed) {
        removeMadeParents(output);
        for (const parent of output.missingParents) syncIfPresent(dirname(parent));
      }
    }
    if (!committed) await removeSnapshot(layout, snapshotIdOf(lock.id));
    // With `ingest.json`, so after what only that file knows of.
    await remove(layout, join(layout.ingestPath, lock.id));
    if (!committed) await catalog.release(lock.id);
  } catch (error) {
    lock.abandon();
    throw error;
  }
  lock.release();
}

function takeBack(output: OutputPlace, published: Identity): void {
  try {
    withdraw(output, published);
  } catch (error) {
    throw fileError(error, "take back", output.path, "ERR_OUTPUT_IO");
  }
}

async function recoverIngest(context: StoreContext, id: string): Promise<boolean> {
  const lock = lockStaleIngest(context.layout.ingestPath, id) ?? unlocked(context, id);
  if (lock === undefined) return false;
  let outside: Outside = {};
  let committed = false;
  try {
    outside = readIngestOutput(join(context.layout.ingestPath, id), id) ?? {};
    committed = (await context.catalog.snapshot(snapshotIdOf(id))) !== undefined;
  } catch (error) {
    lock.abandon();
    throw error;
  }
  await discardIngest(context, lock, outside, committed);
  return true;
}

/**
 * A directory without a lock file has no owner: owners make the file first and remove it last. Seen in stores that were
 * copied.
 */
function unlocked({ layout }: StoreContext, id: string): IngestLock | undefined {
  if (existsSync(join(layout.ingestPath, `${id}.lock`))) return undefined;
  if (!existsSync(join(layout.ingestPath, id))) return undefined;
  return { id, release: doNothing, abandon: doNothing };
}

async function removeOrphan({ layout, catalog }: StoreContext, id: string): Promise<boolean> {
  // The id becomes a path: a damaged row must not lead anywhere else.
  if (isSnapshotId(id)) await removeSnapshot(layout, id);
  await catalog.forgetOrphan(id);
  return true;
}

async function removeSnapshot(layout: StoreLayout, id: string): Promise<void> {
  const garbage = moveToTrash(layout, join(layout.snapshotsPath, id));
  if (garbage === undefined) return;
  syncIfPresent(layout.snapshotsPath);
  await removeWorkspace(garbage);
}

async function remove(layout: StoreLayout, path: string): Promise<void> {
  const garbage = moveToTrash(layout, path);
  if (garbage !== undefined) await removeWorkspace(garbage);
}

/** What tells of a thing goes only when the thing is gone for good: after a power-off it could be back otherwise. */
function syncIfPresent(directory: string): void {
  try {
    syncDirectory(directory);
  } catch (error) {
    if (errnoOf(error) !== "ENOENT") throw fileError(error, "sync", directory);
  }
}

/**
 * First out of sight, then to pieces: a crash in between leaves garbage, never half a snapshot under its name.
 * @returns undefined when there was nothing to move
 */
function moveToTrash({ ingestPath }: StoreLayout, path: string): string | undefined {
  // Renamed as it is, without a new directory around it: a full disk must not be in the way of making room.
  const garbage = join(ingestPath, `${basename(path)}.${randomToken()}${TRASH}`);
  try {
    renameSync(path, garbage);
    return garbage;
  } catch (error) {
    if (errnoOf(error) === "ENOENT" && !existsSync(path)) return undefined;
    throw fileError(error, "remove", path);
  }
}

function doNothing(): void {
  // Nobody wants to know, or there is no lock to give up.
}

/** Imports and exports that have a directory or a lock file, alive or dead. */
export function ingestIds(ingestPath: string): readonly string[] {
  const ids = listDirectory(ingestPath).map((name) => name.replace(/\.lock$/, ""));
  return [...new Set(ids)].filter(isIngestId);
}

function listDirectory(path: string): readonly string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}
