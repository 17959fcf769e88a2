import fc from "fast-check";
import { expect, test } from "vitest";
import { closestName } from "../../src/cli/closest-name.ts";
import { cutToWidth, displayWidth, padToWidth } from "../../src/cli/display-width.ts";
import { jsonText } from "../../src/cli/json-text.ts";
import { formatBytes, formatCount, formatDuration } from "../../src/cli/quantities.ts";
import { tableLines } from "../../src/cli/table-text.ts";

test.each([
  [0, "0 B"],
  [1, "1 B"],
  [1023, "1023 B"],
  [1024, "1.00 KiB"],
  [10_188, "9.95 KiB"],
  [10_239, "10.0 KiB"],
  [102_399, "100 KiB"],
  [1_048_063, "1023 KiB"],
  [1_048_575, "1.00 MiB"],
  [10 * 2 ** 30, "10.0 GiB"],
  [9.9 * 2 ** 30, "9.90 GiB"],
  [2 ** 50, "1024 TiB"],
])("%i bytes read %s", (bytes, text) => {
  expect(formatBytes(bytes)).toBe(text);
});

test("sizes never read 1024 of a unit that has a larger one", () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 2 ** 49 }), (bytes) => {
      expect(formatBytes(bytes)).toMatch(/^(\d{1,4} B|\d\.\d\d .iB|\d\d\.\d .iB|\d{3,4} .iB)$/);
      expect(formatBytes(bytes)).not.toMatch(/^1024 /);
    }),
  );
});

test.each([
  [0, "0.0 s"],
  [940, "0.9 s"],
  [9960, "10 s"],
  [59_600, "1 min 00 s"],
  [185_000, "3 min 05 s"],
  [7_500_000, "2 h 05 min"],
])("%i ms read %s", (ms, text) => {
  expect(formatDuration(ms)).toBe(text);
});

test("counts have separators whatever the locale", () => {
  expect(formatCount(1_234_567)).toBe("1,234,567");
});

test.each([
  ["abc", 3],
  ["größe", 5],
  ["g\u0308", 1],
  ["日本", 4],
  ["한글", 4],
  ["⚙️", 2],
  ["👩‍👩‍👧", 2],
  ["🇩🇪", 2],
  ["", 0],
])("%s takes %i columns", (text, columns) => {
  expect(displayWidth(text)).toBe(columns);
});

test("cutting keeps whole characters and never exceeds the width", () => {
  expect(cutToWidth("日本語", 5, "…")).toBe("日本…");
  expect(cutToWidth("日本語", 4, "…")).toBe("日…");
  expect(cutToWidth("abc", 3, "…")).toBe("abc");
  fc.assert(
    fc.property(fc.string({ unit: "grapheme" }), fc.nat(20), (text, columns) => {
      expect(displayWidth(cutToWidth(text, columns, "…"))).toBeLessThanOrEqual(columns);
      expect(displayWidth(padToWidth(text, columns))).toBe(Math.max(columns, displayWidth(text)));
    }),
  );
});

test("the table is comfy-table's UTF8_FULL_CONDENSED, aligned by what a terminal shows", () => {
  expect(
    tableLines(
      ["Name", "ID", "Snapshot ID"],
      [
        ["ubuntu", "sandbox_template_abc", "snap_1"],
        ["日本", "-", "s"],
      ],
      { unicode: true, colour: false },
    ),
  ).toEqual([
    "┌────────┬──────────────────────┬─────────────┐",
    "│ Name   ┆ ID                   ┆ Snapshot ID │",
    "╞════════╪══════════════════════╪═════════════╡",
    "│ ubuntu ┆ sandbox_template_abc ┆ snap_1      │",
    "│ 日本   ┆ -                    ┆ s           │",
    "└────────┴──────────────────────┴─────────────┘",
  ]);
});

test("headings are white where colours are wanted, borders ASCII where Unicode is not", () => {
  expect(tableLines(["A"], [["b"]], { unicode: false, colour: true })).toEqual([
    "+---+",
    "|\u001B[97m A \u001B[39m|",
    "+===+",
    "| b |",
    "+---+",
  ]);
});

test("JSON has sorted keys, and nothing that a terminal would obey", () => {
  expect(jsonText({ b: [{ z: 1, a: 2 }], a: "\u009B2J\u202E\u001B" })).toBe(
    String.raw`{
  "a": "\u009b2J\u202e\u001b",
  "b": [
    {
      "a": 2,
      "z": 1
    }
  ]
}`,
  );
});

test("JSON reads back as it was", () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const text = jsonText(value);
      expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(value)));
      expect(text).not.toMatch(/[\u007F-\u009F\u202A-\u202E\u2066-\u2069]/);
    }),
  );
});

test("a slip finds the name that was meant, anything else finds nothing", () => {
  const names = ["import", "register", "ls", "describe", "rm"];
  expect(closestName("imprt", names)).toBe("import");
  expect(closestName("registre", names)).toBe("register");
  expect(closestName("create", names)).toBeUndefined();
  expect(closestName("x".repeat(10_000), names)).toBeUndefined();
});
