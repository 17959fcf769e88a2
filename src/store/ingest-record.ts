import { readFileSync } from "node:fs";
import { join } from "node:path";
import { isObject } from "../oci/json-object.ts";
import { replaceFile } from "./durable-files.ts";
import type { Identity, OutputPlace } from "./output-place.ts";
import { parseJson } from "./record-codec.ts";
import { errnoOf, fileError } from "./store-error.ts";

/** `ingest/<id>/ingest.json`: what a later run must know to undo an import or export whose process died. */
export interface IngestRecord {
  /** For people who look into the directory. */
  readonly name: string;
  readonly project: string;
  readonly pid: number;
  readonly startedAt: string;
  /** Written before anything is made outside the store. */
  readonly output?: OutputPlace;
  /** Written before the root filesystem becomes visible at the output. */
  readonly published?: Identity;
}

const FILE_NAME = "ingest.json";

export function writeIngestRecord(directory: string, record: IngestRecord, fsync: boolean): void {
  replaceFile(join(directory, FILE_NAME), `${JSON.stringify(record, undefined, 2)}\n`, fsync);
}

/**
 * What of an ingest lies outside its directory. Only its own staging directory is believed, so that a damaged record
 * never makes recovery remove anything else.
 * @returns undefined when there is no record, or a damaged one
 */
export function readIngestOutput(
  directory: string,
  ingestId: string,
): { readonly output: OutputPlace; readonly published?: Identity } | undefined {
  const path = join(directory, FILE_NAME);
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return undefined;
    throw fileError(error, "read", path);
  }
  const record = parseJson(text);
  if (!isObject(record) || !isOutputPlace(record["output"], ingestId)) return undefined;
  const { output, published } = record;
  return isIdentity(published) ? { output, published } : { output };
}

function isOutputPlace(value: unknown, ingestId: string): value is OutputPlace {
  if (!isObject(value)) return false;
  const { path, stagingPath, missingParents, emptyDirectory } = value;
  return (
    typeof path === "string" &&
    typeof stagingPath === "string" &&
    stagingPath.endsWith(`.rootlift-${ingestId}`) &&
    Array.isArray(missingParents) &&
    missingParents.every((parent) => typeof parent === "string") &&
    (emptyDirectory === undefined || isEmptyDirectory(emptyDirectory))
  );
}

function isEmptyDirectory(value: unknown): boolean {
  return isObject(value) && ["mode", "uid", "gid"].every((key) => Number.isInteger(value[key]));
}

function isIdentity(value: unknown): value is Identity {
  return (
    isObject(value) &&
    ["device", "inode", "birthtimeNs"].every((key) => typeof value[key] === "string")
  );
}
