import { globSync } from "node:fs";
import { basename, join } from "node:path";
import { expect, test } from "vitest";
import { outcomeOf } from "../support/import-error.ts";
import { decodeLayer } from "../support/decode-layer.ts";
import { compress } from "../support/case-kit/case-compression.ts";
import { isObject, listAt, loadCases, objectAt, text } from "../support/case-kit/case-json.ts";
import { damagedBlob } from "../support/case-kit/case-layout.ts";
import { tarArchive } from "../support/case-kit/case-archive.ts";
import type { JsonObject } from "../support/case-kit/case-json.ts";

const files = globSync(join(import.meta.dirname, "../../testdata/corpus/layers/*.json")).toSorted();
const context = { canaryPath: "/canary" };
/** What only the merged tree, or the image, can tell. */
const LATER = new Set([
  "ERR_LINK_TARGET_MISSING",
  "ERR_LINK_LOOP",
  "ERR_NOT_A_DIRECTORY",
  "ERR_MANIFEST_INVALID",
  "ERR_DIGEST_MISMATCH",
  "ERR_DIFF_ID_MISMATCH",
  "ERR_SIZE_MISMATCH",
  "ERR_UNSUPPORTED_MEDIA_TYPE",
]);

/** The codes of the layers that do not decode. */
function codesOf(layers: readonly JsonObject[]): string[] {
  const codes = layers.map((layer) => {
    const tar = tarArchive(layer, context);
    const blob = damagedBlob(
      compress(tar, text(layer["compression"] ?? "gzip")),
      objectAt(layer, "blob"),
      context,
    );
    return outcomeOf(() => decodeLayer(tar, blob, { pushes: [1 << 20] }));
  });
  return codes.filter((code) => code !== "ok");
}

/** @returns what is wrong, or `undefined` */
function judge(layers: readonly JsonObject[], expected: JsonObject): string | undefined {
  const error = expected["error"];
  const allowed = (error === undefined ? [] : Array.isArray(error) ? error : [error]).map(text);
  const wantsTree = expected["tree"] !== undefined;
  const codes = codesOf(layers);
  const wrong = codes.filter((code) => !allowed.includes(code) && !allowed.includes("*"));
  if (wrong.length > 0) return `${wrong.join(", ")} instead of ${allowed.join(", ") || "a tree"}`;
  const mustFailHere = !wantsTree && !allowed.some((code) => LATER.has(code) || code === "*");
  return mustFailHere && codes.length === 0
    ? `decoded instead of ${allowed.join(", ")}`
    : undefined;
}

/** Bombs, blobs of any bytes and bulk are left to the run of every case through the command line. */
function isForTheWholeImport(layer: JsonObject): boolean {
  if (layer["bomb"] !== undefined || layer["blobBytes"] !== undefined) return true;
  return listAt(layer, "entries")
    .filter(isObject)
    .some((entry) => Number(entry["repeat"] ?? 1) * Number(entry["size"] ?? 512) > 500_000);
}

test.each(files.map((file) => [basename(file, ".json"), file]))(
  "the layers of %s decode, or are refused with a right code",
  (_name, file) => {
    const wrong = loadCases(file).flatMap(({ name, fields }) => {
      const layers = listAt(fields, "layers").filter(isObject);
      if (layers.some(isForTheWholeImport)) return [];
      const problem = judge(layers, objectAt(fields, "expect"));
      return problem === undefined ? [] : [`${name}: ${problem}`];
    });
    expect(wrong).toEqual([]);
  },
  60_000,
);
