import { readdirSync } from "node:fs";
import { join } from "node:path";
import { tarArchive } from "../../support/case-kit/case-archive.ts";
import {
  isObject,
  listAt,
  loadCases,
  stringifyJson,
  type JsonObject,
} from "../../support/case-kit/case-json.ts";

const TESTDATA = join(import.meta.dirname, "../../../testdata");
const MOST_BYTES = 16_384;
const MOST_REPETITIONS = 100;

/** The layers of all case files, as archives: every shape that somebody thought of. Large ones are left out. */
export function archiveSeeds(wanted: (layer: JsonObject) => boolean = () => true): Uint8Array[] {
  const layers = caseFields().flatMap((fields) => listAt(fields, "layers").filter(isObject));
  const seen = new Set<string>();
  return layers.flatMap((layer) => {
    if (layer["blobBytes"] !== undefined || layer["bomb"] !== undefined) return [];
    if (repetitions(layer) > MOST_REPETITIONS || !wanted(layer)) return [];
    const archive = tarArchive(layer, { canaryPath: "/canary" });
    const text = archive.toString("latin1");
    if (archive.length === 0 || archive.length > MOST_BYTES || seen.has(text)) return [];
    seen.add(text);
    return [archive];
  });
}

let cases: readonly JsonObject[] | undefined;

/** The cases of every case file. */
export function caseFields(): readonly JsonObject[] {
  cases ??= readCases();
  return cases;
}

function readCases(): readonly JsonObject[] {
  return ["corpus/layers", "cases"].flatMap((folder) => {
    const files = readdirSync(join(TESTDATA, folder)).filter((name) => name.endsWith(".json"));
    return files
      .toSorted()
      .flatMap((name) => loadCases(join(TESTDATA, folder, name)).map(({ fields }) => fields));
  });
}

export function mentions(layer: JsonObject, pattern: RegExp): boolean {
  return pattern.test(stringifyJson(layer));
}

function repetitions(layer: JsonObject): number {
  return Math.max(
    0,
    ...listAt(layer, "entries")
      .filter(isObject)
      .map((entry) => Number(entry["repeat"] ?? 0)),
  );
}
