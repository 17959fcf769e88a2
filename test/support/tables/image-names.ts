import { deriveImageName } from "../../../src/oci/image-name.ts";
import type { JsonObject } from "./expect-row.ts";
import { compareError, expectedErrorOf, textOf } from "./expect-row.ts";
import type { TableRunner } from "./table-runner.ts";

/** `{ reference, name | error: { code, messageContains? } }`; the file may be a bare array of them. */
export const tableRunner: TableRunner = {
  run: async (row) => runRow(row, textOf(row, "reference")),
};

function runRow(row: JsonObject, reference: string): string | undefined {
  const error = expectedErrorOf(row);
  let name: string;
  try {
    name = deriveImageName(reference);
  } catch (thrown) {
    if (error !== undefined) return compareError(thrown, error);
    throw thrown;
  }
  const expected = error === undefined ? JSON.stringify(textOf(row, "name")) : error.code;
  return expected === JSON.stringify(name)
    ? undefined
    : `expected ${expected}, got ${JSON.stringify(name)}`;
}
