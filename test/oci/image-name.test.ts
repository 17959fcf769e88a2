import fc from "fast-check";
import { expect, test } from "vitest";
import { deriveImageName } from "../../src/oci/image-name.ts";
import { importErrorOf } from "../support/import-error.ts";

test.each(["", "   ", "\n\t"])("a blank reference %j is an error and no name", (text) => {
  const error = importErrorOf(() => deriveImageName(text));
  expect(error.code).toBe("ERR_REFERENCE_INVALID");
  expect(error.message).toBe("image reference to import must not be empty");
});

test("a colon with nothing after it is part of the name", () => {
  expect(deriveImageName("ghcr.io/org/app:")).toBe("app:");
});

test("nothing before the colon gives the fallback", () => {
  expect(deriveImageName("ghcr.io/org/:v1")).toBe("imported-image");
});

test("a name never is empty and never holds a slash", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary", minLength: 1 }), (text) => {
      fc.pre(text.trim() !== "");
      const derived = deriveImageName(text);
      expect(derived).not.toBe("");
      expect(derived).not.toContain("/");
    }),
  );
});
