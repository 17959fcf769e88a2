import { mkdirSync, rmdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { ImportError } from "../errors.ts";
import { syncDirectory } from "./durable-files.ts";
import { randomToken } from "./ids.ts";
import { lockNewIngest, type IngestLock } from "./ingest-lock.ts";
import { writeIngestRecord } from "./ingest-record.ts";
import {
  makeStaging,
  planOutput,
  planOutputFile,
  publish,
  removeMadeParents,
  syncOutput,
  type OutputPlace,
} from "./output-place.ts";
import { attempt } from "./store-error.ts";
import type { StoreLayout } from "./store-home.ts";

export interface ExportPlaceOptions {
  readonly kind: "file" | "directory";
  /** Absolute. */
  readonly outputPath: string;
  /** Of a file: takes the place of one that is there. */
  readonly replace: boolean;
  readonly fsync: boolean;
  /** Of the image that is exported, for people who look into the store. */
  readonly name: string;
  readonly project: string;
}

/**
 * Where an export grows until it is whole: in a hidden directory beside the output. Exactly one of `publish` and `discard`
 * ends it. A killed process leaves the hidden directory, never a part of the output, and the next command removes it.
 */
export interface ExportPlace {
  /** The final path, the links of its parents resolved. */
  readonly path: string;
  /** Not there yet. */
  readonly growingPath: string;
  /** Makes it visible in one step. @throws ImportError ERR_OUTPUT_EXISTS, ERR_OUTPUT_IO; then `discard` is still due */
  publish(): void;
  /** Once what grew is removed: removes the place, and the parents that were made for it. */
  discard(): void;
}

/**
 * To the store an export is an ingest with an output and without a name or a snapshot: as long as it runs it has a lock and
 * a record in `ingest/`, and recovery removes what a dead one left.
 * @throws ImportError ERR_OUTPUT_EXISTS, ERR_OUTPUT_IO, ERR_OPTION_INVALID, ERR_DISK_FULL
 */
export function openExportPlace(layout: StoreLayout, options: ExportPlaceOptions): ExportPlace {
  const lock = lockIfPossible(layout);
  let place: OutputPlace;
  try {
    place = planOf(options, lock?.id ?? randomToken(), layout.homePath);
  } catch (error) {
    lock?.release();
    throw error;
  }
  const record = recordIfPossible(layout, { lock, place, options });
  try {
    makeStaging(place);
  } catch (error) {
    try {
      removeMadeParents(place);
      record.remove();
    } catch {
      record.keep();
    }
    throw error;
  }
  const { path, stagingPath } = place;
  const growingPath = join(stagingPath, "rootfs");
  return {
    path,
    growingPath,
    publish: () => {
      publish(place, growingPath);
      const isEmptied = removedDirectory(stagingPath);
      if (options.fsync) syncOutput(place);
      if (isEmptied) record.remove();
      else record.keep();
    },
    discard: () => {
      try {
        attempt("remove", stagingPath, () => rmdirSync(stagingPath), "ERR_OUTPUT_IO");
        removeMadeParents(place);
      } catch (error) {
        record.keep();
        throw error;
      }
      record.remove();
    },
  };
}

/** Done is done: what cannot be removed after that, a later run removes. */
function removedDirectory(path: string): boolean {
  try {
    rmdirSync(path);
    return true;
  } catch {
    return false;
  }
}

function planOf(
  { kind, outputPath, replace }: ExportPlaceOptions,
  id: string,
  homePath: string,
): OutputPlace {
  if (kind === "file") return planOutputFile(outputPath, id, { homePath, replace });
  if (!replace) return planOutput(outputPath, id, homePath);
  throw new ImportError("ERR_OPTION_INVALID", "an export to a directory replaces nothing", {
    hint: "Leave --replace out, and name a directory that is new or empty.",
  });
}

/** An export out of a store that is full, read-only or somebody else's goes on without a record. */
function lockIfPossible({ ingestPath }: StoreLayout): IngestLock | undefined {
  try {
    return lockNewIngest(ingestPath);
  } catch {
    return undefined;
  }
}

interface ExportRecord {
  /** When nothing is left that it tells of. */
  remove(): void;
  /** When something is left: a later run tries again. */
  keep(): void;
}

interface RecordParts {
  readonly lock: IngestLock | undefined;
  readonly place: OutputPlace;
  readonly options: ExportPlaceOptions;
}

function recordIfPossible(
  { ingestPath }: StoreLayout,
  { lock, place, options }: RecordParts,
): ExportRecord {
  if (lock === undefined) return { remove: doNothing, keep: doNothing };
  const directory = join(ingestPath, lock.id);
  const remove = (): void => {
    try {
      rmSync(directory, { recursive: true, force: true });
    } catch {
      // Done is done: a later run finds a record that tells of nothing any more.
      lock.abandon();
      return;
    }
    lock.release();
  };
  try {
    const { name, project, fsync } = options;
    const startedAt = new Date().toISOString();
    mkdirSync(directory, { mode: 0o700 });
    const record = { name, project, pid: process.pid, startedAt, output: place };
    writeIngestRecord(directory, record, fsync);
    if (fsync) syncDirectory(ingestPath);
  } catch {
    remove();
    return { remove: doNothing, keep: doNothing };
  }
  return { remove, keep: () => lock.abandon() };
}

function doNothing(): void {
  // There is no record.
}
