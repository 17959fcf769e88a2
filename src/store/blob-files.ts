import { existsSync, lstatSync, mkdirSync, readdirSync, statfsSync } from "node:fs";
import { join } from "node:path";
import type { Digest } from "../oci/digest.ts";
import { removeFile } from "./durable-files.ts";
import { isIngestId } from "./ids.ts";
import { isIngestLive, lockStaleIngest } from "./ingest-lock.ts";
import { attempt } from "./store-error.ts";

/*
 * The files of the blob cache, below the store:
 *
 *     blobs/sha256/<hex>            compressed layers, by their digest; the time of the last change is that of the last use
 *     blobs/incoming/<id>.lock      who is pulling: held by its process, as the lock of an ingest is
 *     blobs/incoming/<id>.<n>       layers that are being pulled; without a living owner they are garbage
 */

export const BLOBS = "blobs";
const INCOMING = "incoming";
/** A layer unpacks to about three times its size: an import must not fail for the sake of the next one. */
const ROOM_PER_BYTE = 5;
/** Clocks of machines that share a store differ by less; a time further ahead is of a clock that was set back since. */
const CLOCK_DIFFERENCE_MS = 3_600_000;

interface CacheFile {
  readonly path: string;
  readonly sizeBytes: number;
  readonly usedMs: number;
}

export interface RoomRequest {
  readonly limitBytes: number;
  /** Of what comes. */
  readonly sizeBytes: number;
  /** Paths that do not go for it. */
  readonly keep: ReadonlySet<string>;
}

export function blobPath(homePath: string, { algorithm, hex }: Digest): string {
  return join(homePath, BLOBS, algorithm, hex);
}

export function incomingPath(homePath: string): string {
  return join(homePath, BLOBS, INCOMING);
}

/** With its parents up to the store's. */
export function makeCacheDirectory(path: string): void {
  mkdirSync(path, { recursive: true, mode: 0o700 });
}

/**
 * Removes the blobs that were not used for longest, until what comes fits below the limit and on the disk.
 * @returns `limit` or `disk` when it does not fit even so
 */
export function makeRoom(
  homePath: string,
  { limitBytes, sizeBytes, keep }: RoomRequest,
): "made" | "limit" | "disk" {
  const blobs = cachedBlobs(homePath);
  const incoming = filesIn(incomingPath(homePath));
  let total = sumOf(blobs) + sumOf(incoming);
  let free = freeBytes(homePath);
  const wanted = ROOM_PER_BYTE * sizeBytes;
  const fits = (): boolean => total + sizeBytes <= limitBytes && free >= wanted;
  const oldestFirst = blobs.toSorted(byLastUse(Date.now() + CLOCK_DIFFERENCE_MS));
  for (const blob of oldestFirst) {
    if (fits()) break;
    if (keep.has(blob.path)) continue;
    removeFile(blob.path);
    total -= blob.sizeBytes;
    free += blob.sizeBytes;
  }
  if (fits()) return "made";
  return free < wanted ? "disk" : "limit";
}

/**
 * Those from the future first, in their order: they were used before the clock was set back. By their times alone they would be
 * the newest for years, and all that is used meanwhile would go in their place.
 */
function byLastUse(latestMs: number): (left: CacheFile, right: CacheFile) => number {
  return (left, right) =>
    Number(left.usedMs <= latestMs) - Number(right.usedMs <= latestMs) ||
    left.usedMs - right.usedMs;
}

/** Blobs that are complete. */
export function cachedBlobs(homePath: string): readonly CacheFile[] {
  const path = join(homePath, BLOBS);
  return namesIn(path)
    .filter((name) => name !== INCOMING)
    .flatMap((algorithm) => filesIn(join(path, algorithm)));
}

/** @returns how many blobs went; layers that are being pulled stay */
export function removeCachedBlobs(homePath: string): number {
  const blobs = cachedBlobs(homePath);
  for (const { path } of blobs) attempt("remove", path, () => removeFile(path));
  return blobs.length;
}

/** Layers that were being pulled by processes that are gone, each with its lock. */
export function staleIncoming(homePath: string): ReadonlyMap<string, readonly string[]> {
  const incoming = incomingPath(homePath);
  const stale = new Map<string, string[]>();
  for (const name of namesIn(incoming)) {
    const [id = ""] = name.split(".");
    stale.set(id, [...(stale.get(id) ?? []), join(incoming, name)]);
  }
  for (const id of stale.keys()) {
    if (!isIngestId(id) || isIngestLive(incoming, id)) stale.delete(id);
  }
  return stale;
}

/** @returns how many owners had left something */
export function removeStaleIncoming(homePath: string): number {
  const incoming = incomingPath(homePath);
  let removed = 0;
  for (const [id, paths] of staleIncoming(homePath)) {
    const lockPath = join(incoming, `${id}.lock`);
    // Owners make their lock first, and remove it last: files without one have none.
    const lock = existsSync(lockPath) ? lockStaleIngest(incoming, id) : undefined;
    if (lock === undefined && existsSync(lockPath)) continue;
    for (const path of paths) if (path !== lockPath) removeFile(path);
    lock?.release();
    removed += 1;
  }
  return removed;
}

function filesIn(path: string): CacheFile[] {
  const files: CacheFile[] = [];
  for (const name of namesIn(path)) {
    const file = join(path, name);
    const status = lstatSync(file, { throwIfNoEntry: false });
    if (status?.isFile() !== true) continue;
    files.push({ path: file, sizeBytes: status.size, usedMs: status.mtimeMs });
  }
  return files;
}

function sumOf(files: readonly CacheFile[]): number {
  return files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
}

function freeBytes(path: string): number {
  const { bavail, bsize } = statfsSync(path);
  return bavail * bsize;
}

function namesIn(path: string): readonly string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}
