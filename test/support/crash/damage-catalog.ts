import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { checkStore } from "../../../src/index.ts";
import { isObject } from "../../../src/oci/json-object.ts";
import { parseJson } from "../../../src/store/record-codec.ts";
import type { CrashStore, KnownImage } from "./crash-store.ts";
import type { CatalogDamage } from "./operations.ts";

/** @returns the names that a repair must bring back */
export function damageCatalog(
  { home, names }: CrashStore,
  damage: CatalogDamage,
): ReadonlyMap<string, KnownImage> {
  const path = join(home, "catalog.db");
  const all = [...names.values()];
  if (damage === "lost") {
    for (const name of [path, `${path}-journal`]) rmSync(name, { force: true });
  }
  if (damage === "garbage") writeFileSync(path, Buffer.alloc(readFileSync(path).length, 0x5a));
  if (damage !== "rows") return namesOfRecords(home, new Map(), all);
  const lost = all[0]?.snapshotId ?? "";
  const database = new DatabaseSync(path);
  database.prepare("DELETE FROM images WHERE snapshot_id = ?").run(lost);
  database.prepare("DELETE FROM snapshots WHERE id = ?").run(lost);
  database.close();
  const isLost = ({ snapshotId }: KnownImage): boolean => snapshotId === lost;
  const kept = new Map([...names].filter(([, image]) => !isLost(image)));
  return namesOfRecords(home, kept, all.filter(isLost));
}

/** As the README has it: under the names that they were imported with, the newest first; else under the snapshot's id. */
function namesOfRecords(
  home: string,
  kept: ReadonlyMap<string, KnownImage>,
  lost: readonly KnownImage[],
): ReadonlyMap<string, KnownImage> {
  const names = new Map(kept);
  const snapshots = new Map(lost.map((image) => [image.snapshotId, image]));
  const newestFirst = [...snapshots.values()]
    .map((image) => ({ image, createdAt: createdAtOf(home, image.snapshotId) }))
    .toSorted((left, right) => (left.createdAt < right.createdAt ? 1 : -1));
  for (const { image } of newestFirst) {
    names.set(names.has(image.importName) ? image.snapshotId : image.importName, image);
  }
  return names;
}

function createdAtOf(home: string, snapshotId: string): string {
  const path = join(home, "snapshots", snapshotId, "snapshot.json");
  const record = parseJson(readFileSync(path, "utf8"));
  return isObject(record) ? String(record["createdAt"]) : "";
}

/**
 * Whatever a killed repair left, the next one brings all back; then the catalogs that it put aside go, as their owner
 * would remove them.
 * @throws Error
 */
export async function repairAgain({ home }: CrashStore): Promise<void> {
  const { sound, problems } = await checkStore({ home, repair: true });
  if (!sound) throw new Error(`not sound after a repair: ${JSON.stringify(problems)}`);
  const aside = readdirSync(home).filter((name) => name.startsWith("catalog.db.damaged-"));
  for (const name of aside) rmSync(join(home, name));
  if (!existsSync(join(home, "catalog.db"))) throw new Error("a repair left no catalog");
}
