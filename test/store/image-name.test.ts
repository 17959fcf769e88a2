import fc from "fast-check";
import { expect, test } from "vitest";
import { checkImageName, checkProject } from "../../src/store/image-name.ts";
import { importErrorOf, outcomeOf } from "../support/import-error.ts";

test.each([
  "ubuntu",
  "tensorlake/ubuntu-minimal",
  "a:b",
  "mighty-agent-0.0.69",
  "App name",
  "größe",
  "..",
  "../../etc/passwd",
  "-rf",
  "'; DROP TABLE images; --",
  "n".repeat(255),
])("the name %j is taken as it is", (name) => {
  expect(outcomeOf(() => checkImageName(name))).toBe("ok");
});

test.each([
  ["", "must not be empty"],
  ["   ", "must not be empty"],
  ["n".repeat(256), "is longer than 255 bytes"],
  ["ö".repeat(128), "is longer than 255 bytes"],
  ["a\nb", "holds a control character"],
  ["a\u001b[2J", "holds a control character"],
  ["nul\0", "holds a control character"],
  ["a\u0085b", "holds a control character"],
  ["a\u2028b", "holds a control character"],
  ["a\ud800", "holds a control character"],
])("the name %j is refused: it %s", (name, why) => {
  const error = importErrorOf(() => checkImageName(name));
  expect(error.code).toBe("ERR_NAME_INVALID");
  expect(error.message).toContain(why);
  expect(error.message).not.toMatch(/[\p{Cc}\u2028]/u);
});

test("a project is named by the same rule, under its own code", () => {
  expect(outcomeOf(() => checkProject("project_4x"))).toBe("ok");
  expect(outcomeOf(() => checkProject(""))).toBe("ERR_OPTION_INVALID");
});

test("any text is a name, or refused with the one code", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary", maxLength: 300 }), (name) => {
      const fits = Buffer.byteLength(name) <= 255 && name.trim() !== "";
      const clean = !/[\p{Cc}\p{Cs}\u2028\u2029]/u.test(name);
      expect(outcomeOf(() => checkImageName(name))).toBe(fits && clean ? "ok" : "ERR_NAME_INVALID");
    }),
  );
});
