import { readdirSync } from "node:fs";
import { join } from "node:path";
import { removeFile } from "./durable-files.ts";
import { lockFile } from "./ingest-lock.ts";
import { attempt } from "./store-error.ts";
import type { StoreLayout } from "./store-home.ts";

/** Of a catalog that is being made anew. */
export const NEW_CATALOG: RegExp = /^catalog\.db\.new-[0-9a-z]{20}(-journal)?$/;
/** Of one that was put aside. */
export const DAMAGED_CATALOG: RegExp = /^catalog\.db\.damaged-[^/]+$/;
/** In `ingest/`: held by the one repair that is at work. */
export const REPAIR_LOCK = "repair.lock";

/**
 * What a repair that was killed left. A repair that is at work keeps its own.
 * @returns whether anything went
 */
export function removeUnfinishedCatalogs({ homePath, ingestPath }: StoreLayout): boolean {
  const names = readdirSync(homePath).filter((name) => NEW_CATALOG.test(name));
  if (names.length === 0) return false;
  const release = lockFile(join(ingestPath, REPAIR_LOCK));
  if (release === undefined) return false;
  try {
    for (const path of names.map((name) => join(homePath, name))) {
      attempt("remove", path, () => removeFile(path));
    }
    return true;
  } finally {
    release();
  }
}
