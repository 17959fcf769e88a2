import { existsSync } from "node:fs";
import { ImportError } from "../errors.ts";
import { DiskMeter } from "./disk-usage.ts";
import { removeLeftovers, type StoreContext } from "./recovery.ts";
import { removeUnfinishedCatalogs } from "./repair-store.ts";
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
 * @throws ImportError ERR_STORE_IO, ERR_STORE_NEWER, ERR_STORE_CORRUPT
 */
export async function collectGarbage(context: StoreContext): Promise<GarbageCollection> {
  const { layout } = context;
  const { leftovers } = await surveyStore(layout);
  const before = await measured(leftovers);
  const failures: string[] = [];
  await removeLeftovers(context, (error) => failures.push(messageOf(error)));
  removeUnfinishedCatalogs(layout);
  const still = (await surveyStore(layout)).leftovers;
  // One that died meanwhile was not there before.
  const kept = await measured(still.filter(({ paths }) => paths.some((path) => existsSync(path))));
  const keptPaths = new Set(kept.map(({ path }) => path));
  const removed = before.filter(({ path }) => !keptPaths.has(path));
  const freedBytes = removed.reduce((sum, { diskBytes }) => sum + diskBytes, 0);
  return { removed, kept, failures, freedBytes };
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
