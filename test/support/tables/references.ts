import type { Reference } from "../../../src/oci/parse-reference.ts";
import { parseReference } from "../../../src/oci/parse-reference.ts";
import type { JsonObject } from "./expect-row.ts";
import {
  casesOf,
  compareError,
  compareFields,
  expectedErrorOf,
  isObject,
  textOf,
} from "./expect-row.ts";
import type { TableRunner } from "./table-runner.ts";

/** `{ input, expect: { registry, repository, … } | error: { code, messageContains? } }` */
export const tableRunner: TableRunner = {
  rows: (document) =>
    casesOf(document).map((row) => {
      const input = textOf(row, "input");
      return { name: JSON.stringify(input), run: async () => runRow(row, input) };
    }),
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
