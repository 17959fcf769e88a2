import { existsSync, realpathSync } from "node:fs";
import { ImportError, printable } from "../errors.ts";
import { collectGarbage, type GarbageCollection } from "./collect-garbage.ts";
import { isIngestLive } from "./ingest-lock.ts";
import { repairStore, type StoreRepair } from "./repair-store.ts";
import { openSqliteCatalog } from "./sqlite-catalog.ts";
import { attempt } from "./store-error.ts";
import { hasSnapshots, layoutOf, resolveHomePath, type StoreLayout } from "./store-home.ts";
import type { OpenStoreOptions } from "./store.ts";
import { measureStore, type StoreUsage } from "./store-usage.ts";

/** A store whose catalog may be damaged: what looks after it, beside what uses it (`Store`). */
export interface Maintenance {
  readonly layout: StoreLayout;
  measure(): Promise<StoreUsage>;
  /** @throws ImportError as `repairStore` */
  repair(): Promise<StoreRepair>;
  /** @throws ImportError ERR_STORE_CORRUPT, and as `collectGarbage` */
  collectGarbage(options?: { readonly blobCache?: boolean }): Promise<GarbageCollection>;
}

/** Makes nothing and opens nothing yet. @throws ImportError ERR_STORE_IO (there is no store) */
export function openMaintenance(options: OpenStoreOptions): Maintenance {
  const requested = resolveHomePath(options);
  if (!existsSync(requested)) {
    throw new ImportError("ERR_STORE_IO", `there is no store at ${printable(requested, 4096)}`, {
      hint: "Name another place with $ROOTLIFT_HOME; the first import makes a store.",
      details: { path: printable(requested, 4096) },
    });
  }
  const layout = layoutOf(attempt("open the store", requested, () => realpathSync(requested)));
  const isLive = (id: string): boolean => isIngestLive(layout.ingestPath, id);
  return {
    layout,
    measure: () => measureStore(layout),
    repair: () => repairStore(layout, isLive),
    collectGarbage: async (what) => {
      const { catalogPath: path } = layout;
      const mayBeNew = !hasSnapshots(layout);
      const catalog = await openSqliteCatalog({ path, mayBeNew, isIngestLive: isLive });
      try {
        return await collectGarbage({ layout, catalog }, what);
      } finally {
        catalog.close();
      }
    },
  };
}
