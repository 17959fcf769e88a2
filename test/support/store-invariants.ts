import { readdirSync } from "node:fs";
import { join } from "node:path";
import { contentOf } from "./fake-import.ts";
import type { Store } from "../../src/store/store.ts";

/**
 * What must hold of a store at rest, after any crash and one recovery: every name leads to a whole root filesystem, every
 * snapshot has a name, nothing is in progress.
 * @returns the content of each image by name
 */
export async function requireSoundStore(store: Store): Promise<Readonly<Record<string, string>>> {
  await store.removeStaleIngests();
  const images = await store.catalog.list({ project: "default" });
  const contents = Object.fromEntries(images.map((image) => [image.image.name, contentOf(image)]));
  const found = {
    snapshots: readdirSync(join(store.homePath, "snapshots")).toSorted(),
    ingests: readdirSync(join(store.homePath, "ingest")),
    orphans: await store.catalog.orphans(),
    // A journal that was not synced yet means nothing to SQLite; the next transaction that writes overwrites it.
    home: readdirSync(store.homePath)
      .filter((name) => name !== "catalog.db-journal")
      .toSorted(),
  };
  const named = [...new Set(images.map(({ snapshot }) => snapshot.id))].toSorted();
  const wanted = {
    snapshots: named,
    ingests: [],
    orphans: [],
    home: ["catalog.db", "ingest", "snapshots"],
  };
  if (JSON.stringify(found) !== JSON.stringify(wanted)) {
    throw new Error(`store: ${JSON.stringify(found)}, wanted: ${JSON.stringify(wanted)}`);
  }
  return contents;
}
