import { readFileSync } from "node:fs";
import { join } from "node:path";
import { isObject, listAt, parseJson, type JsonObject } from "../../support/case-kit/case-json.ts";

const CORPUS = join(import.meta.dirname, "../../../testdata/corpus");

/** The rows of a table of the corpus. */
export function corpusCases(table: string): readonly JsonObject[] {
  const document = parseJson(readFileSync(join(CORPUS, `${table}.json`), "utf8"));
  return isObject(document) ? listAt(document, "cases").filter(isObject) : [];
}
