import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { BLOBS, staleIncoming } from "./blob-files.ts";
import { DAMAGED_CATALOG, NEW_CATALOG, REPAIR_LOCK } from "./catalog-files.ts";
import { readCatalogContents, type CatalogContents } from "./catalog-contents.ts";
import { ingestIdOf, isIngestId, isSnapshotId, snapshotIdOf } from "./ids.ts";
import { isIngestLive } from "./ingest-lock.ts";
import { readIngestOutput } from "./ingest-record.ts";
import { ingestIds, TRASH } from "./recovery.ts";
import { attempt } from "./store-error.ts";
import { hasSnapshots, type StoreLayout } from "./store-home.ts";

/** What nobody needs any more; the next command, or `tl store gc`, removes it. */
export interface Leftover {
  readonly what: string;
  /** Where it lies, all places; the first one names it. */
  readonly paths: readonly [string, ...string[]];
}

/** What is in a store, looked at without changing anything. */
export interface StoreSurvey {
  readonly catalog: CatalogContents;
  /** Directories in `snapshots/`. */
  readonly snapshotIds: readonly string[];
  /** Imports and exports that a process is at work on. */
  readonly live: ReadonlySet<string>;
  readonly leftovers: readonly Leftover[];
  /** Snapshots with files, and neither a record, nor an import that is at work on them, nor one that died. */
  readonly unrecorded: readonly string[];
  /** Snapshots without a record whose import died; those of a catalog that was lost may be finished ones. */
  readonly unfinished: readonly string[];
  /** Paths in the store that are none of ours. */
  readonly strangers: readonly string[];
}

const OWN = new Set(["catalog.db", "catalog.db-journal", "snapshots", "ingest", BLOBS]);

/** @throws ImportError ERR_STORE_NEWER, ERR_STORE_IO */
export async function surveyStore(layout: StoreLayout): Promise<StoreSurvey> {
  const { homePath, snapshotsPath, ingestPath } = layout;
  const before = liveIngests(ingestPath);
  const inSnapshots = namesIn(snapshotsPath);
  const snapshotIds = inSnapshots.filter(isSnapshotId);
  const catalog = await readCatalogContents(layout.catalogPath, hasSnapshots(layout));
  const inIngest = namesIn(ingestPath);
  const inHome = namesIn(homePath);
  // One that has begun or ended meanwhile is none that is dead.
  const live = new Set([...before, ...liveIngests(ingestPath)]);
  const dead = ingestIds(ingestPath).filter((id) => !live.has(id));
  const orphans = new Set(catalog.orphans);
  const open = snapshotIds.filter(
    (id) => !catalog.records.has(id) && !orphans.has(id) && !live.has(ingestIdOf(id)),
  );
  const deadIds = new Set(dead);
  const unfinished = open.filter((id) => deadIds.has(ingestIdOf(id)));
  const trash = inIngest.filter((name) => name.endsWith(TRASH));
  return {
    catalog,
    snapshotIds,
    live,
    unfinished,
    unrecorded: open.filter((id) => !deadIds.has(ingestIdOf(id))),
    leftovers: [
      ...dead.map((id) => deadIngest(layout, id, unfinished)),
      ...catalog.orphans.filter(isSnapshotId).map((id) => orphan(layout, id)),
      ...trash.map((name) => leftover("what is being removed", join(ingestPath, name))),
      ...[...staleIncoming(homePath).values()]
        .flat()
        .map((path) => leftover("a layer on its way into the blob cache", path)),
      ...inHome
        .filter((name) => NEW_CATALOG.test(name))
        .map((name) => leftover("a catalog that a repair began", join(homePath, name))),
    ],
    strangers: [
      ...inHome
        .filter((name) => !OWN.has(name) && !NEW_CATALOG.test(name) && !DAMAGED_CATALOG.test(name))
        .map((name) => join(homePath, name)),
      ...inSnapshots.filter((name) => !isSnapshotId(name)).map((name) => join(snapshotsPath, name)),
      ...inIngest.filter((name) => !isKnownIngest(name)).map((name) => join(ingestPath, name)),
    ],
  };
}

function isKnownIngest(name: string): boolean {
  return name.endsWith(TRASH) || name === REPAIR_LOCK || isIngestId(name.replace(/\.lock$/, ""));
}

function deadIngest(layout: StoreLayout, id: string, unfinished: readonly string[]): Leftover {
  const directory = join(layout.ingestPath, id);
  const snapshotId = snapshotIdOf(id);
  const outside = readIngestOutput(directory, id)?.output.stagingPath;
  const others = [
    join(layout.ingestPath, `${id}.lock`),
    ...(unfinished.includes(snapshotId) ? [join(layout.snapshotsPath, snapshotId)] : []),
    ...(outside === undefined ? [] : [outside]),
  ];
  return {
    what: "an import or export that ended without cleaning up",
    paths: [directory, ...others.filter((path) => existsSync(path))],
  };
}

function orphan({ snapshotsPath }: StoreLayout, id: string): Leftover {
  return leftover("a snapshot that lost its last name", join(snapshotsPath, id));
}

function leftover(what: string, path: string): Leftover {
  return { what, paths: [path] };
}

function liveIngests(ingestPath: string): readonly string[] {
  return ingestIds(ingestPath).filter((id) => isIngestLive(ingestPath, id));
}

function namesIn(path: string): readonly string[] {
  if (!existsSync(path)) return [];
  return attempt("read", path, () => readdirSync(path)).toSorted();
}
