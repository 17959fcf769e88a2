import { isObject } from "../oci/json-object.ts";
import type { RunConfig } from "../oci/image.ts";
import type { LayerRecord, SnapshotRecord } from "./records.ts";

type Check = (value: unknown) => boolean;
/** One check a field; the compiler sees to it that none is left out. */
type Checks<T> = { readonly [Field in keyof T]-?: Check };

const isText: Check = (value) => typeof value === "string";
const isCount: Check = (value) =>
  typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
const optional =
  (check: Check): Check =>
  (value) =>
    value === undefined || check(value);
const oneOf =
  (...words: readonly string[]): Check =>
  (value) =>
    typeof value === "string" && words.includes(value);
const listOf =
  (check: Check): Check =>
  (value) =>
    Array.isArray(value) && value.every(check);
const isTextMap: Check = (value) => isObject(value) && Object.values(value).every(isText);
const objectOf =
  <T>(checks: Checks<T>): Check =>
  (value) =>
    holds(value, checks);

const CONFIG: Checks<RunConfig> = {
  user: optional(isText),
  env: listOf(isText),
  entrypoint: optional(listOf(isText)),
  cmd: optional(listOf(isText)),
  workingDir: optional(isText),
  labels: isTextMap,
  exposedPorts: listOf(isText),
  volumes: listOf(isText),
  stopSignal: optional(isText),
};

const LAYER: Checks<LayerRecord> = { digest: isText, diffId: isText, sizeBytes: isCount };

const SNAPSHOT: Checks<SnapshotRecord> = {
  id: isText,
  status: oneOf("in_progress", "completed", "failed"),
  sandboxId: isText,
  snapshotUri: optional(isText),
  snapshotFormatVersion: isText,
  format: oneOf("dir", "ext4", "erofs", "tar"),
  sizeBytes: optional(isCount),
  rootfsDiskBytes: optional(isCount),
  entries: optional(isCount),
  reference: optional(isText),
  manifestDigest: optional(isText),
  platform: optional(isText),
  layers: optional(listOf(objectOf(LAYER))),
  createdAt: isText,
  toolVersion: isText,
  dockerfile: optional(isText),
  config: optional(objectOf(CONFIG)),
  omissions: optional(listOf(isText)),
  error: optional(isText),
};

/** The text of `snapshot.json`, and of the catalog's row: the same, so that either can restore the other. */
export function formatSnapshotRecord(record: SnapshotRecord): string {
  return `${JSON.stringify(record, undefined, 2)}\n`;
}

/** @returns undefined when the text is damaged: a record is believed only if every field is what it must be */
export function parseSnapshotRecord(text: string): SnapshotRecord | undefined {
  const value = parseJson(text);
  return holds(value, SNAPSHOT) ? value : undefined;
}

/** @returns undefined when the text is no JSON */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function holds<T>(value: unknown, checks: Checks<T>): value is T {
  if (!isObject(value)) return false;
  return Object.entries<Check>(checks).every(([field, check]) => check(value[field]));
}
