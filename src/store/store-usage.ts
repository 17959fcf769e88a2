import { join, relative, sep } from "node:path";
import { BLOBS } from "./blob-files.ts";
import { rootfsPathOf } from "./check-snapshot.ts";
import { addUsage, DiskMeter, type DiskUsage } from "./disk-usage.ts";
import { snapshotIdOf } from "./ids.ts";
import type { ImageRecord, SnapshotRecord } from "./records.ts";
import type { StoreLayout } from "./store-home.ts";
import { surveyStore } from "./store-survey.ts";

export interface SnapshotUsage extends DiskUsage {
  readonly record: SnapshotRecord;
  readonly images: readonly ImageRecord[];
  /** What lies outside of the store (`--output`), and is not in its total. */
  readonly outside?: DiskUsage;
}

export interface StoreUsage {
  /** By their names. */
  readonly snapshots: readonly SnapshotUsage[];
  /** Snapshots that the catalog does not know. */
  readonly unrecorded: DiskUsage;
  readonly inProgress: DiskUsage;
  readonly leftovers: DiskUsage;
  /** Layers that were pulled. */
  readonly blobCache: DiskUsage;
  /** All that is in the store's directory, the catalog and what else lies there too. */
  readonly total: DiskUsage;
}

/** @throws ImportError ERR_STORE_NEWER, ERR_STORE_IO */
export async function measureStore(layout: StoreLayout): Promise<StoreUsage> {
  const { homePath, snapshotsPath, ingestPath } = layout;
  const survey = await surveyStore(layout);
  const { records, images } = survey.catalog;
  const meter = new DiskMeter();
  const measured = new Set<string>();
  const measure = async (paths: readonly string[]): Promise<DiskUsage> => {
    const inside = paths.filter((path) => !isOutside(homePath, path));
    for (const path of inside) measured.add(path);
    return meter.measure(inside);
  };
  const snapshots: SnapshotUsage[] = [];
  for (const [id, record] of records) {
    const usage = await measure([join(snapshotsPath, id)]);
    const named = images.filter(({ snapshotId }) => snapshotId === id);
    const rootfs = rootfsPathOf(record);
    const elsewhere = rootfs !== undefined && isOutside(homePath, rootfs);
    const outside = elsewhere ? { outside: await meter.measure([rootfs]) } : {};
    snapshots.push({ record, images: named, ...usage, ...outside });
  }
  const unrecorded = await measure(survey.unrecorded.map((id) => join(snapshotsPath, id)));
  const inProgress = await measure([
    ...[...survey.live].flatMap((id) => [join(ingestPath, id), join(ingestPath, `${id}.lock`)]),
    ...[...survey.live]
      .map(snapshotIdOf)
      .filter((id) => !records.has(id))
      .map((id) => join(snapshotsPath, id)),
  ]);
  const leftovers = await measure(survey.leftovers.flatMap(({ paths }) => paths));
  const blobsPath = join(homePath, BLOBS);
  const blobCache = await meter.measure([blobsPath], measured);
  measured.add(blobsPath);
  const rest = await meter.measure([homePath], measured);
  return {
    snapshots: snapshots.toSorted((left, right) => (nameOf(left) < nameOf(right) ? -1 : 1)),
    unrecorded,
    inProgress,
    leftovers,
    blobCache,
    total: [...snapshots, unrecorded, inProgress, leftovers, blobCache, rest].reduce<DiskUsage>(
      addUsage,
      {
        sizeBytes: 0,
        diskBytes: 0,
      },
    ),
  };
}

function isOutside(homePath: string, path: string): boolean {
  const way = relative(homePath, path);
  return way === ".." || way.startsWith(`..${sep}`);
}

function nameOf({ images }: SnapshotUsage): string {
  return images[0]?.name ?? "";
}
