import { expect, test } from "vitest";
import { checkLayoutMarker } from "../../src/oci/parse-layout-marker.ts";
import { importErrorOf } from "../support/import-error.ts";

test("version 1.x.y is a layout, with whatever else the file says", () => {
  expect(() =>
    checkLayoutMarker(Buffer.from('{"imageLayoutVersion":"1.0.0","x":1}'), "it"),
  ).not.toThrow();
});

test.each([
  ['{"imageLayoutVersion":"2.0.0"}', "ERR_UNSUPPORTED_MEDIA_TYPE"],
  ["{}", "ERR_UNSUPPORTED_MEDIA_TYPE"],
  ['{"imageLayoutVersion":1}', "ERR_MANIFEST_INVALID"],
  ["", "ERR_MANIFEST_INVALID"],
  ["root:x:0:0", "ERR_MANIFEST_INVALID"],
])("%j is refused with %s, and not shown", (text, code) => {
  const error = importErrorOf(() => checkLayoutMarker(Buffer.from(text), "it"));
  expect(error.code).toBe(code);
  expect(`${error.message} ${String(error.cause)}`).not.toContain("root:x");
});
