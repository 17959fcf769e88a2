import { readdirSync } from "node:fs";
import { expect, test } from "vitest";
import { runTableFile, tableKind } from "./support/run-table-file.ts";
import { TABLE_KINDS } from "./support/tables/index.ts";

const CORPUS = new URL("../testdata/corpus/", import.meta.url);
const files = readdirSync(CORPUS).filter((name) => name.endsWith(".json"));

test("every table of the corpus has a runner", () => {
  expect(files.length).toBeGreaterThan(0);
  expect(files.filter((name) => !(tableKind(name, {}) in TABLE_KINDS))).toEqual([]);
});

test.each(files)("%s passes, row by row", async (name) => {
  const { passed, failures } = await runTableFile(new URL(name, CORPUS).pathname);
  expect(failures).toEqual([]);
  expect(passed).toBeGreaterThan(0);
});
