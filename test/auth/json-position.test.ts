import fc from "fast-check";
import { expect, test } from "vitest";
import { jsonErrorPosition } from "../../src/auth/json-position.ts";

test.each([
  ["{auths:", 1, 2],
  ["", 1, 1],
  ["  ", 1, 3],
  ["{", 1, 2],
  ['{"auths": }', 1, 11],
  ['{"auths": {},}', 1, 14],
  ['{\n  "auths": {}\n  "credsStore": "x"\n}', 3, 3],
  ['["a" "b"]', 1, 6],
  ["[1,]", 1, 4],
  ["[}", 1, 2],
  ["{]", 1, 2],
  ["{} {}", 1, 4],
  ["nul", 1, 1],
  ['"tab\tinside"', 1, 1],
  ['{"a": "open}', 1, 7],
])("the error in %j is in line %i, column %i", (text, line, column) => {
  expect(() => JSON.parse(text)).toThrow(SyntaxError);
  expect(jsonErrorPosition(text)).toEqual({ line, column });
});

test("what JSON.parse accepts has no error before its end", () => {
  fc.assert(
    fc.property(fc.json({ stringUnit: "binary" }), fc.nat(3), (text, indent) => {
      const written = JSON.stringify(JSON.parse(text), null, indent);
      const lines = written.split("\n");
      expect(jsonErrorPosition(written)).toEqual({
        line: lines.length,
        column: (lines.at(-1) ?? "").length + 1,
      });
    }),
  );
});

test("an error that is found lies where JSON.parse cannot go on either", () => {
  const tokens = fc.constantFrom("{", "}", "[", "]", ",", ":", '"a"', "1", "null", " ", "x");
  fc.assert(
    fc.property(fc.array(tokens, { maxLength: 12 }), (parts) => {
      const text = parts.join("");
      const { column } = jsonErrorPosition(text);
      fc.pre(column <= text.length);
      expect(() => JSON.parse(text)).toThrow(SyntaxError);
    }),
  );
});

test("a deep document needs no stack", () => {
  expect(jsonErrorPosition("[".repeat(1e6)).column).toBe(1_000_001);
});
