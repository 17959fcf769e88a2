import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { rootRows } from "../root-rows.ts";
import { storeListing } from "../store-listing.ts";
import {
  DISK_MB,
  type FaultImport,
  type FaultPlace,
  type FaultScenario,
  type FaultState,
} from "./fault-scenario.ts";

const LIBRARY = new URL("../../../dist/index.js", import.meta.url).href;

type Library = typeof import("../../../src/index.ts");

/** The built library: what the command uses. From sources its workers would take most of the time to start. */
export async function builtLibrary(): Promise<Library> {
  const library: Library = await import(LIBRARY);
  return library;
}

/**
 * What the next command finds; it is also what cleans up.
 * @throws Error when the store is not sound then, or something was left behind
 */
export async function settledState(
  { home, outside }: FaultPlace,
  { needsRepair, outputPath }: Pick<FaultScenario, "needsRepair" | "outputPath">,
): Promise<FaultState> {
  const library = await builtLibrary();
  const options = { home, env: {} };
  if (needsRepair === true) await library.checkStore({ ...options, repair: true });
  const records = await library.listSandboxImages(options);
  const report = await library.checkStore({ ...options, verify: true });
  const listing = storeListing(home);
  const found = {
    problems: report.problems,
    ingests: listing.ingests,
    snapshots: listing.snapshots.length,
    incoming: namesIn(join(home, "blobs", "incoming")),
    strangers: listing.other.filter((name) => !/^(blobs$|catalog\.db\.damaged-)/.test(name)),
  };
  const snapshots = new Set(records.map(({ snapshotId }) => snapshotId)).size;
  const sound = { problems: [], ingests: [], snapshots, incoming: [], strangers: [] };
  if (!isDeepStrictEqual(found, sound)) {
    throw new Error(`no sound store at rest: ${JSON.stringify(found)}`);
  }
  const images = records.map(
    ({ name, format, path }) => [name, `${format} ${digestOf(path)}`] as const,
  );
  return { images: Object.fromEntries(images), outside: outsideRows(outside, outputPath) };
}

/** Imports once more, over whatever is there. @returns the digest of the root filesystem */
export async function importAgain(
  { home }: Pick<FaultPlace, "home">,
  { reference, format, blobCache }: FaultImport,
): Promise<string> {
  const library = await builtLibrary();
  const record = await library.importSandboxImage(reference, {
    home,
    format,
    env: {},
    cpus: 1,
    diskMb: DISK_MB,
    fsync: false,
    registeredName: "again",
    replace: true,
    blobCache: blobCache ?? "off",
  });
  return digestOf(record.path);
}

function digestOf(path: string): string {
  const hash = createHash("sha256");
  if (statSync(path).isDirectory()) hash.update(rootRows(path, { withRoot: true }).join("\n"));
  else hash.update(readFileSync(path));
  return hash.digest("hex");
}

function outsideRows(outside: string, outputPath: string | undefined): readonly string[] {
  const rows: string[] = [];
  const walk = (path: string): void => {
    if (path === outputPath) {
      rows.push(`${path} ${digestOf(path)}`);
      return;
    }
    rows.push(path);
    if (!statSync(path).isDirectory()) return;
    for (const name of namesIn(path)) walk(join(path, name));
  };
  walk(outside);
  return rows;
}

function namesIn(path: string): readonly string[] {
  return existsSync(path) ? readdirSync(path).toSorted() : [];
}
