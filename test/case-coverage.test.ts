import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import {
  isObject,
  listAt,
  loadCases,
  parseJson,
  text,
  type JsonObject,
} from "./support/case-kit/case-json.ts";
import { CASE_FILES } from "./support/case-kit/chosen-cases.ts";

const TESTDATA = join(import.meta.dirname, "../testdata");
/** The layer rules are numbered 1 to 37, the limits have a table of their own. */
const RULES = [...Array.from({ length: 37 }, (_, index) => String(index + 1)), "limit"];

interface Clause {
  readonly rule: string;
  readonly says: string;
  readonly cases: readonly string[];
}

function clauses(): readonly Clause[] {
  const document = parseJson(readFileSync(join(TESTDATA, "case-rules.json"), "utf8"));
  const list: readonly JsonObject[] = isObject(document)
    ? listAt(document, "rules").filter(isObject)
    : [];
  return list.map((clause) => ({
    rule: text(clause["rule"] ?? ""),
    says: text(clause["says"] ?? ""),
    cases: listAt(clause, "cases").map(text),
  }));
}

const caseNames = CASE_FILES.flatMap(loadCases).map(({ name }) => name);

test("no two layer cases have one name", () => {
  expect(caseNames.length).toBeGreaterThan(500);
  expect(caseNames.filter((name, index) => caseNames.indexOf(name) !== index)).toEqual([]);
});

test.each(RULES)("layer rule %s has cases for each of its clauses", (rule) => {
  const found = clauses().filter((clause) => clause.rule === rule);
  expect(found).not.toEqual([]);
  expect(found.filter(({ cases }) => cases.length === 0)).toEqual([]);
});

test("the table of rules and the layer cases name each other, none is missing", () => {
  const stated = new Set(clauses().flatMap(({ cases }) => cases));
  expect([...stated].filter((name) => !caseNames.includes(name))).toEqual([]);
  expect(caseNames.filter((name) => !stated.has(name))).toEqual([]);
  expect(
    clauses()
      .map(({ rule }) => rule)
      .filter((rule) => !RULES.includes(rule)),
  ).toEqual([]);
});
