import { existsSync } from "node:fs";
import { ImportError, printable } from "../errors.ts";
import { rootfsPathOf } from "./check-snapshot.ts";
import { openExportPlace } from "./export-place.ts";
import { beginIngest } from "./ingest.ts";
import { isIngestLive } from "./ingest-lock.ts";
import type { RegisterRequest } from "./catalog.ts";
import type { RegisteredImage, SnapshotRecord } from "./records.ts";
import { removeLeftovers, removeOrphans } from "./recovery.ts";
import type { StoreContext } from "./recovery.ts";
import { openSqliteCatalog } from "./sqlite-catalog.ts";
import { hasSnapshots, prepareHome, resolveHomePath } from "./store-home.ts";
import type { OpenStoreOptions, Store } from "./store.ts";

/**
 * Opens the store, makes it when there is none, and removes what dead processes left in it.
 * @throws ImportError ERR_STORE_IO, ERR_STORE_NEWER, ERR_STORE_CORRUPT, ERR_DISK_FULL
 */
export async function openStore(options: OpenStoreOptions): Promise<Store> {
  const layout = prepareHome(resolveHomePath(options));
  // Before the catalog is looked at: whoever made a snapshot had made that first.
  const mayBeNew = !hasSnapshots(layout);
  const catalog = await openSqliteCatalog({
    mayBeNew,
    path: layout.catalogPath,
    isIngestLive: (id) => isIngestLive(layout.ingestPath, id),
  });
  const context: StoreContext = { layout, catalog };
  // Whatever command comes next after a crash cleans up. One that only reads must not fail over it.
  await removeLeftovers(context).catch(() => 0);
  return {
    homePath: layout.homePath,
    catalog,
    beginIngest: (request) => beginIngest(context, request),
    openExport: (request) => openExportPlace(layout, request),
    removeStaleIngests: () => removeLeftovers(context),
    registerImage: (request) => registerImage(context, request),
    removeImage: (nameOrId, project) => removeImage(context, nameOrId, project),
    close: () => catalog.close(),
  };
}

async function registerImage(
  context: StoreContext,
  request: RegisterRequest,
): Promise<RegisteredImage> {
  await removeLeftovers(context);
  requireFiles(await context.catalog.snapshot(request.snapshotId));
  const registered = await context.catalog.register(request);
  if (request.replace) await removeOrphans(context).catch(() => undefined);
  return registered;
}

/** One that is recorded, and whose files somebody has removed, would be a name for nothing. */
function requireFiles(snapshot: SnapshotRecord | undefined): void {
  const path = snapshot === undefined ? undefined : rootfsPathOf(snapshot);
  if (snapshot === undefined || path === undefined || existsSync(path)) return;
  const shown = printable(path, 4096);
  throw new ImportError(
    "ERR_SNAPSHOT_NOT_COMPLETED",
    `snapshot ${snapshot.id} has lost its root filesystem: ${shown} is not there`,
    { hint: "Import the image again.", details: { snapshotId: snapshot.id, path: shown } },
  );
}

async function removeImage(
  context: StoreContext,
  nameOrId: string,
  project: string,
): Promise<RegisteredImage | undefined> {
  // First of all: an import that died after its commit would take a snapshot without a row for its own unfinished one.
  await removeLeftovers(context);
  const found = await context.catalog.find(nameOrId, { project });
  const image = await context.catalog.remove(nameOrId, { project });
  if (image === undefined || found === undefined) return undefined;
  try {
    await removeOrphans(context);
  } catch (error) {
    const why = error instanceof Error ? error.message : "unknown";
    throw new ImportError(
      "ERR_STORE_IO",
      `image '${image.name}' is deleted, its files are not: ${why}`,
      {
        cause: error,
        hint: "Remove what is in the way, a mount for instance; the next command removes the rest.",
      },
    );
  }
  return { image, snapshot: found.snapshot };
}
