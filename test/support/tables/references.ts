import type { Reference } from "../../../src/oci/parse-reference.ts";
import { parseReference } from "../../../src/oci/parse-reference.ts";
import type { JsonObject } from "./expect-row.ts";
import { compareError, compareFields, expectedErrorOf, isObject, textOf } from "./expect-row.ts";
import type { TableRunner } from "./table-runner.ts";

/** `{ input, expect: { registry, repository, … } | error: { code, messageContains? } }` */
export const tableRunner: TableRunner = {
  run: async (row) => runRow(row, textOf(row, "input")),
};

function runRow(row: JsonObject, input: string): string | undefined {
  const error = expectedErrorOf(row);
  let reference: Reference;
  try {
    reference = parseReference(input);
  } catch (thrown) {
    if (error !== undefined) return compareError(thrown, error);
    throw thrown;
  }
  if (error !== undefined) return `expected ${error.code}, got ${reference.canonical}`;
  const expected = row["expect"];
  if (!isObject(expected)) return "the row has neither `expect` nor `error`";
  return compareFields({ ...reference, digest: reference.digest?.text ?? null }, expected);
}
