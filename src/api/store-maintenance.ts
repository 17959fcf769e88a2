import { ImportError } from "../errors.ts";
import type { CatalogContents } from "../store/catalog-contents.ts";
import { inspectStore, type StoreProblem } from "../store/check-store.ts";
import { openMaintenance, type Maintenance } from "../store/open-maintenance.ts";
import type { StoreLayout } from "../store/store-home.ts";
import { surveyStore } from "../store/store-survey.ts";
import type { SnapshotUsage } from "../store/store-usage.ts";
import { cancellable } from "./cancellable.ts";
import type {
  CheckStoreOptions,
  CollectStoreGarbageOptions,
  StoreCheck,
  StoreGarbageCollection,
  StoreRepair,
  StoreUsage,
} from "./store-types.ts";
import type { StoreOptions } from "./public-types.ts";
import { verifySnapshot } from "./verify-sandbox-image.ts";

/**
 * Checks that catalog and snapshots agree and that nothing was left behind; with `repair` it mends what can be mended, and with
 * `verify` it also reads every root filesystem. Problems are in the answer, not thrown.
 * @throws ImportError ERR_STORE_IO, ERR_STORE_NEWER, ERR_CANCELLED
 */
export async function checkStore(options: CheckStoreOptions = {}): Promise<StoreCheck> {
  const signal = cancellable(options.signal, "the check was cancelled");
  const maintenance = openMaintenance(homeOf(options));
  const repaired = options.repair === true ? await repair(maintenance) : undefined;
  const { survey, problems } = await inspectStore(maintenance.layout);
  const { images, records } = survey.catalog;
  const verified =
    options.verify === true ? await verifyAll(maintenance, survey.catalog, signal) : undefined;
  const all = [...problems, ...(verified?.problems ?? [])];
  return {
    home: maintenance.layout.homePath,
    sound: all.length === 0,
    images: images.length,
    snapshots: records.size,
    problems: all,
    ...(verified === undefined ? {} : { verified: verified.count, unverified: verified.skipped }),
    ...(repaired === undefined ? {} : { repair: repaired }),
  };
}

/**
 * Removes what no name and no running import needs, as every command does when it begins, and tells what that was.
 * @throws ImportError ERR_STORE_IO, ERR_STORE_NEWER, ERR_STORE_CORRUPT
 */
export async function collectStoreGarbage(
  options: CollectStoreGarbageOptions = {},
): Promise<StoreGarbageCollection> {
  const maintenance = openMaintenance(homeOf(options));
  const found = await maintenance.collectGarbage({ blobCache: options.blobCache ?? false });
  const { removed, kept, failures, freedBytes } = found;
  return { home: maintenance.layout.homePath, freedBytes, removed, kept, failures };
}

/**
 * What the store takes of the disk, image by image.
 * @throws ImportError ERR_STORE_IO, ERR_STORE_NEWER
 */
export async function measureStore(options: StoreOptions = {}): Promise<StoreUsage> {
  const maintenance = openMaintenance(homeOf(options));
  const { snapshots, ...rest } = await maintenance.measure();
  return { home: maintenance.layout.homePath, snapshots: snapshots.map(publicUsage), ...rest };
}

function publicUsage(usage: SnapshotUsage): StoreUsage["snapshots"][number] {
  const { record, images, sizeBytes, diskBytes, outside } = usage;
  return {
    snapshotId: record.id,
    names: images.map(({ name, project }) => ({ name, project })),
    format: record.format,
    sizeBytes,
    diskBytes,
    ...(outside === undefined ? {} : { outside }),
  };
}

async function repair(maintenance: Maintenance): Promise<StoreRepair> {
  const { restored, lost, rewritten, asidePath } = await maintenance.repair();
  const { removed, freedBytes } = await maintenance.collectGarbage();
  return {
    restored,
    lost: lost.map(({ name, project, snapshotId }) => ({ name, project, snapshotId })),
    rewritten,
    removed,
    freedBytes,
    ...(asidePath === undefined ? {} : { damagedCatalog: asidePath }),
  };
}

async function verifyAll(
  { layout }: Maintenance,
  { records, images }: CatalogContents,
  signal: AbortSignal,
): Promise<{
  readonly count: number;
  readonly skipped: readonly string[];
  readonly problems: readonly StoreProblem[];
}> {
  const found = new Map<string, StoreProblem>();
  const skipped: string[] = [];
  let count = 0;
  for (const snapshot of records.values()) {
    const image = images.find(({ snapshotId }) => snapshotId === snapshot.id);
    if (image === undefined) continue;
    const subject = `${snapshot.id} ("${image.name}")`;
    try {
      const report = await verifySnapshot({ image, snapshot }, layout.homePath, signal);
      count += 1;
      const [first] = report.damage;
      if (first === undefined) continue;
      const more = report.damageCount > 1 ? `, and ${report.damageCount - 1} more` : "";
      const problem = `its contents are damaged: ${first.what}: ${first.problem}${more}`;
      found.set(snapshot.id, { subject, problem, remedy: "import" });
    } catch (error) {
      if (!(error instanceof ImportError) || error.code === "ERR_CANCELLED") throw error;
      if (error.code === "ERR_SNAPSHOT_UNSUPPORTED") skipped.push(snapshot.id);
      else found.set(snapshot.id, { subject, problem: error.message, remedy: "look" });
    }
  }
  return { count, skipped, problems: await ofThoseLeft(layout, found) };
}

/** Reading takes long: what was deleted meanwhile has no problem. */
async function ofThoseLeft(
  layout: StoreLayout,
  found: ReadonlyMap<string, StoreProblem>,
): Promise<readonly StoreProblem[]> {
  if (found.size === 0) return [];
  const { catalog } = await surveyStore(layout);
  return [...found].flatMap(([id, problem]) => (catalog.records.has(id) ? [problem] : []));
}

function homeOf({ home, env = process.env }: StoreOptions) {
  return { env, ...(home === undefined ? {} : { homePath: home }) };
}
