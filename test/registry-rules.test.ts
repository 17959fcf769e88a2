import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { isObject, listAt, parseJson, text } from "./support/case-kit/case-json.ts";

const ROOT = join(import.meta.dirname, "..");

/** How many rules each chapter has; they are numbered from 1. */
const CHAPTERS: Readonly<Record<string, number>> = {
  ERR: 5,
  REF: 10,
  PING: 4,
  CH: 7,
  TOK: 13,
  CRED: 12,
  MAN: 17,
  LAY: 2,
  PLAT: 6,
  BLOB: 14,
  RED: 7,
  RETRY: 7,
  MIR: 7,
  PROXY: 4,
  TLS: 7,
  CONN: 7,
};

interface Rule {
  readonly rule: string;
  readonly says: string;
  readonly tests: readonly { readonly file: string; readonly names: string }[];
}

function rules(): readonly Rule[] {
  const document = parseJson(readFileSync(join(ROOT, "testdata/registry-rules.json"), "utf8"));
  const list = isObject(document) ? listAt(document, "rules").filter(isObject) : [];
  return list.map((rule) => ({
    rule: text(rule["rule"] ?? ""),
    says: text(rule["says"] ?? ""),
    tests: listAt(rule, "tests")
      .filter(isObject)
      .map((one) => ({ file: text(one["file"] ?? ""), names: text(one["names"] ?? "") })),
  }));
}

const NUMBERS = Object.entries(CHAPTERS).flatMap(([chapter, count]) =>
  Array.from({ length: count }, (_, index) => `${chapter}-${index + 1}`),
);
const RULES = rules();

test("every rule of the registry client is listed once, and no other", () => {
  expect(RULES.map(({ rule }) => rule).toSorted()).toEqual(NUMBERS.toSorted());
});

test.each(RULES)("$rule: $says", ({ tests }) => {
  expect(tests).not.toEqual([]);
  // The name of a test, or a row of a table, that is no longer there holds nothing.
  const missing = tests.filter(({ file, names }) => {
    const path = join(ROOT, file);
    return names === "" || !existsSync(path) || !readFileSync(path, "utf8").includes(names);
  });
  expect(missing).toEqual([]);
});

test("the rules and their numbers are those of the reference, where that lies beside the repository", () => {
  const reference = join(ROOT, "../shared/reference/registry-cases.md");
  if (!existsSync(reference)) return;
  const found = [...readFileSync(reference, "utf8").matchAll(/^\*\*([A-Z]+-\d+)\./gm)];
  expect(found.map(([, number = ""]) => number).toSorted()).toEqual(NUMBERS.toSorted());
});
