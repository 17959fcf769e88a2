import { existsSync } from "node:fs";
import { join } from "node:path";
import { ImportError } from "../errors.ts";
import { BLOBS, cachedBlobs, removeCachedBlobs } from "./blob-files.ts";
import { DiskMeter } from "./disk-usage.ts";
import { removeLeftovers, type StoreContext } from "./recovery.ts";
import { surveyStore, type Leftover } from "./store-survey.ts";

/** A leftover, and what it takes or took of the disk. */
export interface Garbage {
  readonly what: string;
  readonly path: string;
  readonly diskBytes: number;
}

export interface GarbageCollection {
  readonly removed: readonly Garbage[];
  /** What could not be removed, with the reasons in `failures`. */
  readonly kept: readonly Garbage[];
  readonly failures: readonly string[];
  readonly freedBytes: number;
}

/**
 * Removes what no name and no running import needs: what any command does when it begins, here with an account of it.
 * Snapshots without a record are no garbage: the catalog may have been damaged (`repairStore`).
 * @param options.blobCache the layers that are kept for later imports go too
 * @throws ImportError ERR_STORE_IO, ERR_STORE_NEWER, ERR_STORE_CORRUPT
 */
export async function collectGarbage(
  context: StoreContext,
  { blobCache = false }: { readonly blobCache?: boolean } = {},
): Promise<GarbageCollection> {
  const { layout } = context;
  const { leftovers } = await surveyStore(layout);
  const before = await measured(leftovers);
  const failures: string[] = [];
  await removeLeftovers(context, (error) => failures.push(messageOf(error)));
  const still = (await surveyStore(layout)).leftovers;
  // One that died meanwhile was not there before.
  const kept = await measured(still.filter(({ paths }) => paths.some((path) => existsSync(path))));
  const keptPaths = new Set(kept.map(({ path }) => path));
  const removed = before.filter(({ path }) => !keptPaths.has(path));
  if (blobCache) removed.push(...(await emptyBlobCache(layout.homePath)));
  const freedBytes = removed.reduce((sum, { diskBytes }) => sum + diskBytes, 0);
  return { removed, kept, failures, freedBytes };
}

async function emptyBlobCache(homePath: string): Promise<readonly Garbage[]> {
  const paths = cachedBlobs(homePath).map(({ path }) => path);
  const { diskBytes } = await new DiskMeter().measure(paths);
  const count = removeCachedBlobs(homePath);
  const what = `the blob cache, ${count} blob${count === 1 ? "" : "s"}`;
  return count === 0 ? [] : [{ what, path: join(homePath, BLOBS), diskBytes }];
}

async function measured(leftovers: readonly Leftover[]): Promise<readonly Garbage[]> {
  const meter = new DiskMeter();
  const garbage: Garbage[] = [];
  for (const { what, paths } of leftovers) {
    const { diskBytes } = await meter.measure(paths);
    garbage.push({ what, path: paths[0], diskBytes });
  }
  return garbage;
}

function messageOf(error: unknown): string {
  return error instanceof ImportError ? error.message : String(error);
}
