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

test.each([
  ["docker-archive:app.tar", "app"],
  ["docker-archive:/srv/images/app.tar:@1", "app"],
  ["docker-archive:/srv/app.tar:debian:bookworm", "debian"],
  ["docker-archive:/srv/app.tar:ghcr.io/org/web:2", "web"],
  ["oci-archive:/srv/app.tar:1.2", "app"],
  [`oci-archive:app.tar@sha256:${"a".repeat(64)}`, "app"],
  ["oci-archive:.tar", ".tar"],
  ["oci-archive::", "imported-image"],
])("the name of %s is %s", (reference, name) => {
  expect(deriveImageName(reference)).toBe(name);
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
