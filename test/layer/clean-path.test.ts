import fc from "fast-check";
import { posix } from "node:path";
import { expect, test } from "vitest";
import { ByteArena } from "../../src/layer/byte-arena.ts";
import { DEFAULT_LIMITS } from "../../src/limits.ts";
import { appendCleanPath, lengthProblem } from "../../src/layer/clean-path.ts";

/** The clean path, or the code of what is wrong; behind other bytes in the arena, as in a batch. */
function clean(raw: string): string {
  const arena = new ByteArena(4);
  arena.append(Buffer.from("earlier/entries"));
  const start = arena.length;
  const bytes = Buffer.from(`<${raw}>`, "latin1");
  const problem = appendCleanPath(arena, bytes, 1, bytes.length - 1);
  if (problem !== undefined) return arena.length === start ? problem : "a changed arena";
  return Buffer.from(arena.bytes.subarray(start, arena.length)).toString("latin1");
}

function fits(path: string): boolean {
  const bytes = Buffer.from(path);
  return lengthProblem(bytes, 0, bytes.length, DEFAULT_LIMITS) === undefined;
}

test.each([
  ["./a", "a"],
  ["/a", "a"],
  ["a//", "a"],
  ["x/../a", "a"],
  ["/", ""],
  ["././", ""],
  ["", ""],
  ["a/..", ""],
  ["a/b/../../c/.", "c"],
  ["...", "..."],
  ["..a/.b", "..a/.b"],
  ["a\\..\\b", "a\\..\\b"],
  ["\xff\xfe/\xe9", "\xff\xfe/\xe9"],
])("the name %j is the path %j", (raw, expected) => {
  expect(clean(raw)).toBe(expected);
});

test.each(["..", "../x", "/../x", "a/../../x", "a/./../..", "a/b/../../.."])(
  "the name %j leaves the root",
  (raw) => {
    expect(clean(raw)).toBe("ERR_PATH_ESCAPE");
  },
);

test("a NUL in a name is refused", () => {
  expect(clean("a\0/../b")).toBe("ERR_LAYER_CORRUPT");
});

test("a clean path is what lexical normalisation below a root gives, or it leaves the root", () => {
  const part = fc.oneof(
    fc.constantFrom("..", ".", "", "..."),
    fc.string({ unit: fc.constantFrom("a", "b", "\u00e9", "."), maxLength: 3 }),
  );
  const path = fc.array(part, { maxLength: 12 }).map((parts) => parts.join("/"));
  fc.assert(
    fc.property(path, (raw) => {
      const expected = posix.normalize(`ROOT/${raw}`).replace(/\/+$/, "");
      const inside = expected === "ROOT" || expected.startsWith("ROOT/");
      expect(clean(raw)).toBe(inside ? expected.slice(5) : "ERR_PATH_ESCAPE");
    }),
  );
});

test("any bytes are a path or are refused, and a clean path is clean", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
      const raw = Buffer.from(bytes).toString("latin1");
      const path = clean(raw);
      expect(path.startsWith("ERR_") ? path : clean(path)).toBe(path);
    }),
  );
});

test("a component of 255 bytes fits, one of 256 does not, wherever it stands", () => {
  expect(fits(`a/${"n".repeat(255)}/b`)).toBe(true);
  expect(fits(`a/${"n".repeat(256)}/b`)).toBe(false);
  expect(fits("n".repeat(256))).toBe(false);
  expect(fits(`a/${"n".repeat(256)}`)).toBe(false);
});

test("a path of 4,095 bytes fits, one of 4,096 does not", () => {
  const path = "abcdefghi/".repeat(410);
  expect(fits(path.slice(0, 4095))).toBe(true);
  expect(fits(path.slice(0, 4096))).toBe(false);
});
