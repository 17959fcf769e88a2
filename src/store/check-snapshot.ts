import { lstatSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { isObject } from "../oci/json-object.ts";
import { digestOf } from "../oci/verify-bytes.ts";
import type { StoreProblem } from "./check-store.ts";
import { parseImageChecksums, type ImageChecksums } from "./image-checksums.ts";
import { parseJson, parseSnapshotRecord } from "./record-codec.ts";
import type { SnapshotRecord } from "./records.ts";
import { errnoOf } from "./store-error.ts";
import type { StoreLayout } from "./store-home.ts";

export type SnapshotProblem = Omit<StoreProblem, "subject">;

/** Whether a recorded snapshot has its files, and the sizes that its import left. */
export function checkSnapshot(
  { snapshotsPath }: StoreLayout,
  record: SnapshotRecord,
): readonly SnapshotProblem[] {
  const directory = join(snapshotsPath, record.id);
  if (lstatSync(directory, { throwIfNoEntry: false })?.isDirectory() !== true) {
    return [{ problem: `its directory ${directory} is missing`, remedy: "import" }];
  }
  return [
    ...recordProblems(directory, record),
    ...documentProblems(directory, record),
    ...rootfsProblems(directory, record),
  ];
}

/** Of a `file:` URL. @returns undefined when it is none */
export function rootfsPathOf({ snapshotUri = "" }: SnapshotRecord): string | undefined {
  try {
    return fileURLToPath(snapshotUri);
  } catch {
    return undefined;
  }
}

function recordProblems(directory: string, record: SnapshotRecord): SnapshotProblem[] {
  const bytes = readIfThere(join(directory, "snapshot.json"));
  if (bytes === undefined) return [{ problem: "its snapshot.json is missing", remedy: "repair" }];
  const found = parseSnapshotRecord(bytes.toString());
  if (found === undefined) return [{ problem: "its snapshot.json is damaged", remedy: "repair" }];
  if (sameRecord(found, record)) return [];
  return [{ problem: "its snapshot.json and the catalog say different things", remedy: "repair" }];
}

/** Whatever the order of their keys. */
function sameRecord(one: SnapshotRecord, other: SnapshotRecord): boolean {
  return sortedText(one) === sortedText(other);
}

function sortedText(record: SnapshotRecord): string {
  return JSON.stringify(
    Object.entries(record).toSorted(([left], [right]) => (left < right ? -1 : 1)),
  );
}

/** Manifest and config, which have digests. */
function documentProblems(directory: string, record: SnapshotRecord): SnapshotProblem[] {
  const manifest = readIfThere(join(directory, "manifest.json"));
  if (manifest === undefined) return [missing("manifest.json")];
  const { manifestDigest } = record;
  // Only SHA-256 is recomputed here: the other algorithms come from registries that hardly exist.
  if (manifestDigest?.startsWith("sha256:") === true && sha256(manifest) !== manifestDigest) {
    return [changed("manifest.json")];
  }
  const config = readIfThere(join(directory, "config.json"));
  if (config === undefined) return [missing("config.json")];
  const wanted = configDigestOf(manifest);
  return wanted?.startsWith("sha256:") === true && sha256(config) !== wanted
    ? [changed("config.json")]
    : [];
}

function sha256(bytes: Uint8Array): string {
  return digestOf(bytes).text;
}

function configDigestOf(manifest: Buffer): string | undefined {
  const parsed = parseJson(manifest.toString());
  const config = isObject(parsed) ? parsed["config"] : undefined;
  const digest = isObject(config) ? config["digest"] : undefined;
  return typeof digest === "string" ? digest : undefined;
}

function rootfsProblems(directory: string, record: SnapshotRecord): SnapshotProblem[] {
  const path = rootfsPathOf(record);
  // On another machine: nothing that could be looked at.
  if (path === undefined) return [];
  const status = lstatSync(path, { throwIfNoEntry: false });
  if (status === undefined) {
    return [{ problem: `its root filesystem ${path} is missing`, remedy: "import" }];
  }
  if (record.format === "dir") {
    if (status.isDirectory()) return [];
    return [{ problem: `${path} is not a directory`, remedy: "import" }];
  }
  if (!status.isFile()) return [{ problem: `${path} is not a file`, remedy: "import" }];
  const recorded = readIfThere(join(directory, "checksums"));
  if (recorded === undefined) return [missing("checksums")];
  const checksums = parseImageChecksums(recorded);
  if (checksums === undefined) return [{ problem: "its checksums are damaged", remedy: "import" }];
  const least = leastBytes(checksums, record);
  if (status.size >= least) return [];
  const problem = `${basename(path)} has ${status.size} bytes, and had ${least} or more when it was imported`;
  return [{ problem, remedy: "import" }];
}

/** A disk image may be grown by its user; it is never smaller than what was written. */
function leastBytes(checksums: ImageChecksums, record: SnapshotRecord): number {
  const { blockBytes, firstBlocks, blockCounts } = checksums;
  if (record.format === "ext4") return record.rootfsDiskBytes ?? 0;
  const blocks = (firstBlocks.at(-1) ?? 0) + (blockCounts.at(-1) ?? 0);
  // The last one may be a part of a block.
  return blocks === 0 ? 0 : (blocks - 1) * blockBytes + 1;
}

function missing(name: string): SnapshotProblem {
  return { problem: `its ${name} is missing`, remedy: "import" };
}

function changed(name: string): SnapshotProblem {
  return { problem: `its ${name} does not have its digest any more`, remedy: "import" };
}

function readIfThere(path: string): Buffer | undefined {
  try {
    return readFileSync(path);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return undefined;
    throw error;
  }
}
