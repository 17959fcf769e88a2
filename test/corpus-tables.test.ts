import { readdirSync } from "node:fs";
import { expect, test } from "vitest";
import { runTableFile, tableKind } from "./support/run-table-file.ts";
import { TABLE_KINDS } from "./support/tables/index.ts";

const TESTDATA = new URL("../testdata/", import.meta.url);
const files = ["corpus/", "tables/"].flatMap((folder) =>
  readdirSync(new URL(folder, TESTDATA))
    .filter((name) => name.endsWith(".json"))
    .map((name) => folder + name),
);

test("every table has a runner", () => {
  expect(files.length).toBeGreaterThan(0);
  expect(files.filter((name) => !(tableKind(name, {}) in TABLE_KINDS))).toEqual([]);
});

test.each(files)("%s passes, row by row", async (name) => {
  const { passed, failures } = await runTableFile(new URL(name, TESTDATA).pathname);
  expect(failures).toEqual([]);
  expect(passed).toBeGreaterThan(0);
});
