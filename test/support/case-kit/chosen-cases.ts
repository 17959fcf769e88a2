import { globSync } from "node:fs";
import { join } from "node:path";
import { isObject, listAt, objectAt, type LayerCase } from "./case-json.ts";

const TESTDATA = join(import.meta.dirname, "../../../testdata");

/** The files of layer cases, the corpus and our own. */
export const CASE_FILES: readonly string[] = ["corpus/layers/*.json", "cases/*.json"]
  .flatMap((glob) => globSync(join(TESTDATA, glob)))
  .toSorted();

/** More names than this take seconds. */
const LARGE = 20_000;

/** The image must be taken, or may be. */
export function isAccepted({ fields }: LayerCase): boolean {
  return objectAt(fields, "expect")["tree"] !== undefined;
}

/** The image must be refused, or may be. */
export function isRefused({ fields }: LayerCase): boolean {
  return objectAt(fields, "expect")["error"] !== undefined;
}

export function isLarge({ fields }: LayerCase): boolean {
  const entries = listAt(fields, "layers").flatMap((layer) =>
    isObject(layer) ? listAt(layer, "entries") : [],
  );
  return entries.some((entry) => isObject(entry) && Number(entry["repeat"] ?? 0) > LARGE);
}
