import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { Writable } from "node:stream";
import { checkStore, exportSandboxImage, listSandboxImages } from "../../../src/index.ts";
import { openStore } from "../../../src/store/open-store.ts";
import { digestText } from "../digest-text.ts";
import { importRequest } from "../fake-import.ts";
import { treeDigestOf } from "./crash-images.ts";
import { sameNames, snapshotIds, type CrashStore } from "./crash-store.ts";
import { storeTraces } from "./store-traces.ts";

/**
 * What must hold after the first command that comes after a crash: every name leads to all of its image, what is on the
 * disk is what the names need and nothing else, nobody holds anything.
 * @throws Error
 */
export async function requireCleanStore(store: CrashStore): Promise<void> {
  const { home, names } = store;
  const listed = await listSandboxImages({ home });
  const found = new Map(listed.map(({ name, snapshotId }) => [name, snapshotId]));
  if (!sameNames(names, found)) {
    throw new Error(`ls shows ${show([...found])}, not ${show([...snapshotIds(names)])}`);
  }
  requireNothingLeft(store);
  const check = await checkStore({ home, verify: true });
  if (!check.sound) throw new Error(`store check: ${show(check.problems)}`);
  for (const { name, manifestDigest } of listed) {
    const known = names.get(name);
    if (known === undefined || known.image.manifestDigest !== manifestDigest) {
      throw new Error(`${name} is not ${known?.image.label ?? "known"}: ${String(manifestDigest)}`);
    }
    // Other than the checksums beside a snapshot, this knows what was to be imported.
    const digest = await archiveDigestOf(home, name);
    if (digest !== known.image.archiveDigest)
      throw new Error(`${name} has other contents: ${digest}`);
  }
}

/** On the disk. */
function requireNothingLeft({ home, outputs, names, exports }: CrashStore): void {
  const traces = storeTraces(home);
  const { locks, ingests, trash, incoming, newCatalogs, orphans, reservations, others } = traces;
  const left = { locks, ingests, trash, incoming, newCatalogs, orphans, reservations, others };
  for (const [what, found] of Object.entries(left)) {
    if (found.length > 0) throw new Error(`left behind: ${what}: ${found.join()}`);
  }
  const wanted = new Set([...names.values()].map(({ snapshotId }) => snapshotId));
  const snapshots = [...wanted].toSorted();
  if (show(snapshots) !== show(traces.snapshots)) {
    throw new Error(`snapshots: ${show(traces.snapshots)}, wanted: ${show(snapshots)}`);
  }
  requireOutputs({ outputs, names, exports });
  requireCachedBlobs(home);
}

function requireOutputs({ outputs, names, exports }: Omit<CrashStore, "home">): void {
  const imported = [...names.values()].flatMap(({ outputPath }) => outputPath ?? []);
  const wanted = [...new Set([...imported, ...exports.keys()])].map((path) => basename(path));
  const found = readdirSync(outputs).toSorted();
  if (show(found) !== show(wanted.toSorted())) {
    throw new Error(`outputs: ${show(found)}, wanted: ${show(wanted)}`);
  }
  for (const [path, { image, format }] of exports) {
    const isTar = format === "tar";
    const digest = isTar ? digestText(readFileSync(path)) : treeDigestOf(path);
    if (digest !== (isTar ? image.archiveDigest : image.treeDigest)) {
      throw new Error(`the export ${path} is not ${image.label}`);
    }
  }
}

/** A blob has its name when it was verified, and not before. */
function requireCachedBlobs(home: string): void {
  const folder = join(home, "blobs", "sha256");
  if (!existsSync(folder)) return;
  for (const name of readdirSync(folder)) {
    const digest = digestText(readFileSync(join(folder, name)));
    if (digest !== `sha256:${name}`) throw new Error(`the cached blob ${name} has ${digest}`);
  }
}

/** Of the archive that an export makes. */
export async function archiveDigestOf(home: string, name: string): Promise<string> {
  const hash = createHash("sha256");
  const output = new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      hash.update(chunk);
      done();
    },
  });
  await exportSandboxImage(name, { home, output });
  return `sha256:${hash.digest("hex")}`;
}

/** Nobody holds the name: an import of it gets as far as its own staging place. */
export async function requireNoLock({ home }: CrashStore, name: string): Promise<void> {
  const store = await openStore({ homePath: home, env: {} });
  try {
    const ingest = await store.beginIngest(importRequest(name, { replace: true, fsync: false }));
    await ingest.abort();
  } finally {
    store.close();
  }
}

function show(value: unknown): string {
  return JSON.stringify(value);
}
