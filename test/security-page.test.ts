import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";

const REPOSITORY = join(import.meta.dirname, "..");
const page = readFileSync(join(REPOSITORY, "SECURITY.md"), "utf8");
const promises = page.split(/^(?=\*\*P\d+\. )/m).slice(1);

test("promises are numbered in order", () => {
  const numbers = promises.map((text) => Number(/^\*\*P(\d+)/.exec(text)?.[1]));
  expect(numbers.length).toBeGreaterThan(10);
  expect(numbers).toEqual(numbers.map((_, index) => index + 1));
});

test.each(promises.map((text) => [text.slice(2, text.indexOf(".")), text]))(
  "every test of promise %s is there",
  (_number, text) => {
    const [, tested = ""] = text.split("\nTested by ");
    const files = [...tested.matchAll(/`(test\/[^`]*)`/g)].map(([, file = ""]) => file);
    expect(files).not.toEqual([]);
    expect(files.filter((file) => !existsSync(join(REPOSITORY, file)))).toEqual([]);
  },
);

test("README leads to the page", () => {
  expect(readFileSync(join(REPOSITORY, "README.md"), "utf8")).toContain("SECURITY.md");
});
