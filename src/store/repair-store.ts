import { existsSync, linkSync, readFileSync, renameSync } from "node:fs";
import { dirname, join } from "node:path";
import { ImportError, printable } from "../errors.ts";
import { isObject } from "../oci/json-object.ts";
import { rootfsPathOf } from "./check-snapshot.ts";
import { inspectStore } from "./check-store.ts";
import { REPAIR_LOCK } from "./catalog-files.ts";
import { createCatalogFile, migrate } from "./catalog-schema.ts";
import { replaceFile, syncDirectory } from "./durable-files.ts";
import { newImageId, randomToken } from "./ids.ts";
import { lockFile } from "./ingest-lock.ts";
import { formatSnapshotRecord, parseJson, parseSnapshotRecord } from "./record-codec.ts";
import type { ImageRecord, SnapshotRecord } from "./records.ts";
import { restoreRows, type RestoredName, type Restoration } from "./restore-rows.ts";
import { openSqlite } from "./sqlite-connection.ts";
import { attempt, errnoOf } from "./store-error.ts";
import type { StoreLayout } from "./store-home.ts";
import type { StoreSurvey } from "./store-survey.ts";

/** What a repair did. */
export interface StoreRepair {
  /** Images that are in the catalog again. */
  readonly restored: readonly RestoredName[];
  /** Where the catalog is that could not be read; never deleted. */
  readonly asidePath?: string;
  /** Names in the damaged catalog whose snapshot left nothing to restore. */
  readonly lost: readonly ImageRecord[];
  /** Snapshots whose `snapshot.json` was written anew. */
  readonly rewritten: readonly string[];
}

/**
 * Makes the catalog and the snapshots agree again. A catalog with faults is put aside under another name, and a new one is
 * made of what can be read of it and of the records beside the snapshots; to one that is sound, what it lacks is
 * added. Root filesystems are not touched.
 * @param isIngestLive whether a name that is reserved really is
 * @throws ImportError ERR_STORE_IO (imports are running, or another repair), ERR_STORE_NEWER, ERR_DISK_FULL
 */
export async function repairStore(
  layout: StoreLayout,
  isIngestLive: (ingestId: string) => boolean,
): Promise<StoreRepair> {
  const release = lockFile(join(layout.ingestPath, REPAIR_LOCK));
  if (release === undefined) throw busy(layout, "is being repaired by another process");
  try {
    const { survey } = await inspectStore(layout);
    const damaged = survey.catalog.faults.length > 0;
    const records = recordsToKeep(layout, survey, damaged);
    const repair = damaged
      ? await remakeCatalog(layout, { survey, records, isIngestLive })
      : { restored: await addMissing(layout, { survey, records, isIngestLive }), lost: [] };
    return { ...repair, rewritten: rewriteRecords(layout, records) };
  } finally {
    release();
  }
}

interface RepairParts {
  readonly survey: StoreSurvey;
  /** What the catalog shall have, by the snapshot's id. */
  readonly records: ReadonlyMap<string, SnapshotRecord>;
  readonly isIngestLive: (ingestId: string) => boolean;
}

/** A sound catalog is right about what it has; what a damaged one says counts where the snapshot itself is silent. */
function recordsToKeep(
  layout: StoreLayout,
  { catalog, unrecorded, unfinished }: StoreSurvey,
  damaged: boolean,
): ReadonlyMap<string, SnapshotRecord> {
  const records = new Map<string, SnapshotRecord>(catalog.records);
  // One whose import died before its last step is whole: it could not be told from a finished one.
  const beside = damaged ? [...records.keys(), ...unrecorded, ...unfinished] : unrecorded;
  for (const id of beside) {
    const record = readRecord(layout, id);
    if (record !== undefined) records.set(id, record);
  }
  return records;
}

async function remakeCatalog(
  layout: StoreLayout,
  { survey, records, isIngestLive }: RepairParts,
): Promise<Pick<StoreRepair, "restored" | "asidePath" | "lost">> {
  const { catalog, live } = survey;
  // Theirs would be rows of the old one. An import that begins from now on meets the old one, and fails; or it finds at its
  // first write that the file was moved (SQLITE_READONLY_DBMOVED).
  if (live.size > 0) throw busy(layout, "has imports or exports in progress");
  const known = catalog.images.filter(({ snapshotId }) => records.has(snapshotId));
  const orphans = catalog.orphans.filter((id) => !records.has(id));
  const path = `${layout.catalogPath}.new-${randomToken()}`;
  const restored = await writeCatalog(path, {
    records: [...records.values()],
    images: [...known, ...namesOfUnnamed(layout, records, known)],
    orphans,
    isIngestLive,
  });
  const asidePath = putInPlace(layout, path);
  const lost = catalog.images.filter(({ snapshotId }) => !records.has(snapshotId));
  return asidePath === undefined ? { restored, lost } : { restored, lost, asidePath };
}

async function writeCatalog(
  path: string,
  restoration: Restoration,
): Promise<readonly RestoredName[]> {
  createCatalogFile(path);
  const connection = await openSqlite(path);
  try {
    await migrate(connection, path);
    return await connection.write((database) => restoreRows(database, restoration));
  } finally {
    connection.close();
  }
}

/**
 * At every moment there is a catalog under the name. The journal goes with the file that it belongs to: it would be
 * rolled back into the new one.
 */
function putInPlace({ catalogPath }: StoreLayout, newPath: string): string | undefined {
  const doing = "replace the catalog";
  const stamp = new Date().toISOString().replaceAll(/[-:]|\.\d+/g, "");
  const asidePath = `${catalogPath}.damaged-${stamp}-${randomToken().slice(0, 6)}`;
  const isThere = existsSync(catalogPath);
  attempt(doing, catalogPath, () => {
    if (isThere) putAside(catalogPath, asidePath);
    const journal = `${catalogPath}-journal`;
    if (existsSync(journal)) renameSync(journal, `${asidePath}-journal`);
    renameSync(newPath, catalogPath);
    syncDirectory(dirname(catalogPath));
  });
  return isThere ? asidePath : undefined;
}

function putAside(catalogPath: string, asidePath: string): void {
  try {
    linkSync(catalogPath, asidePath);
  } catch (error) {
    if (!["EPERM", "EOPNOTSUPP", "ENOTSUP"].includes(errnoOf(error) ?? "")) throw error;
    // No hard links here. For a moment there is none, which whoever looks takes for one that was lost.
    renameSync(catalogPath, asidePath);
  }
}

/** Into a catalog that is sound and in use. */
async function addMissing(
  layout: StoreLayout,
  { survey, records: all, isIngestLive }: RepairParts,
): Promise<readonly RestoredName[]> {
  const missing = [...all].filter(([id]) => !survey.catalog.records.has(id));
  if (missing.length === 0) return [];
  const records = new Map(missing);
  const connection = await openSqlite(layout.catalogPath);
  try {
    await migrate(connection, layout.catalogPath);
    const images = namesOfUnnamed(layout, records, []);
    return await connection.write((database) =>
      restoreRows(database, { records: [...records.values()], images, orphans: [], isIngestLive }),
    );
  } finally {
    connection.close();
  }
}

/** Only a whole snapshot, whose root filesystem is there, comes back. */
function readRecord({ snapshotsPath }: StoreLayout, id: string): SnapshotRecord | undefined {
  const record = parseSnapshotRecord(readText(join(snapshotsPath, id, "snapshot.json")));
  if (record?.id !== id || record.status !== "completed") return undefined;
  const path = rootfsPathOf(record);
  return path !== undefined && existsSync(path) ? record : undefined;
}

/** By `image.json`, which has the name that a snapshot was imported under; the newest first, which then keeps it. */
function namesOfUnnamed(
  { snapshotsPath }: StoreLayout,
  records: ReadonlyMap<string, SnapshotRecord>,
  known: readonly ImageRecord[],
): readonly ImageRecord[] {
  const named = new Set(known.map(({ snapshotId }) => snapshotId));
  return [...records.values()]
    .filter(({ id }) => !named.has(id))
    .toSorted((left, right) => (left.createdAt < right.createdAt ? 1 : -1))
    .map((record) => imageOf(record, join(snapshotsPath, record.id, "image.json")));
}

function imageOf(record: SnapshotRecord, path: string): ImageRecord {
  const image = parseJson(readText(path));
  const { name, project, public: isPublic } = isObject(image) ? image : {};
  const { id, createdAt, reference } = record;
  // What an import writes beside the name.
  const dockerfile =
    record.dockerfile ?? (reference === undefined ? undefined : `FROM ${reference}\n`);
  return {
    id: newImageId(),
    name: typeof name === "string" ? name : id,
    project: typeof project === "string" ? project : "default",
    public: isPublic === true,
    snapshotId: id,
    createdAt,
    ...(dockerfile === undefined ? {} : { dockerfile }),
  };
}

/** `snapshot.json` where it is not what the catalog has now. */
function rewriteRecords(
  { snapshotsPath }: StoreLayout,
  records: ReadonlyMap<string, SnapshotRecord>,
): readonly string[] {
  const rewritten: string[] = [];
  for (const [id, record] of records) {
    const directory = join(snapshotsPath, id);
    const path = join(directory, "snapshot.json");
    if (!existsSync(directory)) continue;
    const text = formatSnapshotRecord(record);
    if (readText(path) === text) continue;
    attempt("write", path, () => replaceFile(path, text, true));
    rewritten.push(id);
  }
  return rewritten;
}

function readText(path: string): string {
  return existsSync(path) ? attempt("read", path, () => readFileSync(path, "utf8")) : "";
}

function busy({ homePath }: StoreLayout, why: string): ImportError {
  return new ImportError("ERR_STORE_IO", `the store ${printable(homePath, 4096)} ${why}`, {
    hint: "Wait until they have ended, then repair again.",
  });
}
