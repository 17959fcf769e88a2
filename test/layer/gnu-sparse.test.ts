import { expect, test } from "vitest";
import { outcomeOf } from "../support/import-error.ts";
import { decodeEntries } from "../support/decode-layer.ts";
import type { JsonObject } from "../support/case-kit/case-json.ts";
import type { Limits } from "../../src/limits.ts";

const next = { path: "next", type: "file", content: "1" };
const data = "A".repeat(512) + "B".repeat(700);
const expanded = `${"A".repeat(512)}${"\0".repeat(7680)}${"B".repeat(700)}${"\0".repeat(11_108)}`;

function form01(map: string, fields: JsonObject = {}): JsonObject[] {
  const numbers = map === "" ? 0 : map.split(",").length;
  const pax = {
    "GNU.sparse.major": "0",
    "GNU.sparse.minor": "1",
    "GNU.sparse.name": "dir/s",
    "GNU.sparse.size": "20000",
    "GNU.sparse.numblocks": String(numbers / 2),
    "GNU.sparse.map": map,
    ...fields,
  };
  return [{ path: "GNUSparseFile.0/s", type: "file", content: data, pax }, next];
}

function form10(map: string, fields: JsonObject = {}, body = data): JsonObject[] {
  const padding = "\0".repeat((512 - (map.length % 512)) % 512);
  const pax = {
    "GNU.sparse.major": "1",
    "GNU.sparse.minor": "0",
    "GNU.sparse.name": "dir/s",
    "GNU.sparse.realsize": "20000",
    ...fields,
  };
  return [{ path: "GNUSparseFile.0/s", type: "file", content: map + padding + body, pax }, next];
}

const number = (value: number): string => `${value.toString(8).padStart(11, "0")}\0`;

/** The first four segments are in the header, 21 more in each block after it. */
function oldForm(segments: readonly (readonly [number, number])[], size: number): JsonObject[] {
  const text = segments.map(([offset, length]) => number(offset) + number(length));
  const blocks: string[] = [];
  for (let at = 4; at < text.length; at += 21) {
    const more = text.length > at + 21 ? "\x01" : "\0";
    blocks.push(
      (
        text
          .slice(at, at + 21)
          .join("")
          .padEnd(504, "\0") + more
      ).padEnd(512, "\0"),
    );
  }
  const at = {
    "386": text.slice(0, 4).join(""),
    "482": text.length > 4 ? "\x01" : "\0",
    "483": number(size),
  };
  const content = segments.map(([, length], n) => String(n % 10).repeat(length)).join("");
  return [
    {
      path: "s",
      type: "gnusparse",
      format: "gnu",
      content,
      raw: { at },
      afterHeader: blocks.join(""),
    },
    next,
  ];
}

function bodies(entries: readonly JsonObject[]): readonly (readonly [string, string])[] {
  return decodeEntries(entries).map(({ path, body }) => [path, body]);
}

const code = (entries: readonly JsonObject[], limits: Partial<Limits> = {}): string =>
  outcomeOf(() => decodeEntries(entries, limits));

test("form 0.0: offsets and lengths in records of their own", () => {
  const pax = [
    ["GNU.sparse.size", "20000"],
    ["GNU.sparse.numblocks", "3"],
    ["GNU.sparse.offset", "0"],
    ["GNU.sparse.numbytes", "512"],
    ["GNU.sparse.offset", "8192"],
    ["GNU.sparse.numbytes", "700"],
    ["GNU.sparse.offset", "20000"],
    ["GNU.sparse.numbytes", "0"],
  ];
  const entries = [{ path: "s", type: "file", content: data, pax }, next];
  expect(bodies(entries)).toEqual([
    ["s", expanded],
    ["next", "1"],
  ]);
});

test("form 0.1: the map in one record", () => {
  expect(bodies(form01("0,512,8192,700,20000,0"))).toEqual([
    ["dir/s", expanded],
    ["next", "1"],
  ]);
});

test("form 1.0: the map at the front of the body, over several blocks too", () => {
  expect(bodies(form10("3\n0\n512\n8192\n700\n20000\n0\n"))).toEqual([
    ["dir/s", expanded],
    ["next", "1"],
  ]);
  const segments = Array.from({ length: 200 }, (_, n) => `${n * 10}\n1\n`).join("");
  const [sparse] = bodies(
    form10(`200\n${segments}`, { "GNU.sparse.realsize": "2000" }, "x".repeat(200)),
  );
  expect(sparse?.[1]).toBe(`x${"\0".repeat(9)}`.repeat(200));
});

test("old GNU headers, with the segments in blocks after the header too", () => {
  expect(
    bodies(
      oldForm(
        [
          [0, 3],
          [10, 2],
        ],
        20,
      ),
    )[0],
  ).toEqual(["s", `000${"\0".repeat(7)}11${"\0".repeat(8)}`]);
  const segments = Array.from({ length: 50 }, (_, n): readonly [number, number] => [n * 4, 1]);
  const expectedBody = segments.map((_, n) => `${n % 10}\0\0\0`).join("");
  expect(bodies(oldForm(segments, 200))).toEqual([
    ["s", expectedBody],
    ["next", "1"],
  ]);
});

test("a file of holes alone, or of nothing, has no data", () => {
  const hole = form10("0\n", { "GNU.sparse.realsize": "3000" }, "");
  expect(bodies(hole)[0]?.[1]).toBe("\0".repeat(3000));
  expect(bodies(form10("0\n", { "GNU.sparse.realsize": "0" }, ""))[0]?.[1]).toBe("");
});

test("an unknown version is a plain file, as to Go", () => {
  expect(bodies(form01("0,512", { "GNU.sparse.major": "7" }))).toEqual([
    ["GNUSparseFile.0/s", data],
    ["next", "1"],
  ]);
});

test.each([
  ["segments that overlap", "0,512,500,700"],
  ["segments that run backwards", "1024,512,0,700"],
  ["an offset that is no number", "0,512,x,700"],
  ["a negative length", "0,512,8192,-700"],
  ["a segment beyond the end", "0,512,19999,700"],
  ["a segment beyond the end of any file", "0,512,20000000000000,700"],
  ["a segment beyond 64 bits", "0,512,9223372036854775807,9223372036854775807"],
  ["more data than there is", "0,512,8192,701"],
  ["less data than there is", "0,512,8192,699"],
  ["an odd count of numbers", "0,512,8192"],
])("a map with %s is refused", (_what, map) => {
  expect(code(form01(map))).toBe("ERR_LAYER_CORRUPT");
  const numbers = map.split(",");
  const text = `${numbers.length / 2}\n${numbers.join("\n")}\n`;
  expect(code(form10(text))).toBe("ERR_LAYER_CORRUPT");
});

test("a count that is missing or wrong, or a map that never ends, is refused", () => {
  const wrong = form01("0,512,8192,700", { "GNU.sparse.numblocks": "3" });
  expect(code(wrong)).toBe("ERR_LAYER_CORRUPT");
  expect(code(form01("0,512,8192,700", { "GNU.sparse.numblocks": "" }))).toBe("ERR_LAYER_CORRUPT");
  expect(code(form10("9\n0\n512\n"))).toBe("ERR_LAYER_CORRUPT");
  expect(code(form10("0".repeat(512)))).toBe("ERR_LAYER_CORRUPT");
  expect(code(form10("\n"))).toBe("ERR_LAYER_CORRUPT");
});

test("only files are sparse, and only GNU headers are of the old form", () => {
  const [entry = {}] = form01("0,512,8192,700,20000,0");
  expect(code([{ ...entry, type: "dir", content: "" }, next])).toBe("ERR_LAYER_CORRUPT");
  const [old = {}] = oldForm([[0, 3]], 20);
  expect(code([{ ...old, format: "ustar" }, next])).toBe("ERR_LAYER_CORRUPT");
});

test("a whiteout's body is skipped, whatever map it has", () => {
  const [entry = {}] = form01("8192,512,0,700", { "GNU.sparse.name": "d/.wh.gone" });
  expect(decodeEntries([entry, next]).map(({ type }) => type)).toEqual(["whiteout", "file"]);
  const [old = {}] = oldForm(
    Array.from({ length: 30 }, (_, n): readonly [number, number] => [n * 4, 1]),
    200,
  );
  const entries = decodeEntries([{ ...old, path: ".wh.s" }, next]);
  expect(entries.map(({ type, path }) => `${type} ${path}`)).toEqual(["whiteout s", "file next"]);
});

test("sizes and segments have limits", () => {
  const bomb = form10(
    "1\n1152921504606846976\n0\n",
    { "GNU.sparse.realsize": "1152921504606846976" },
    "",
  );
  expect(code(bomb)).toBe("ERR_LIMIT_EXCEEDED");
  const hole = form10("0\n", { "GNU.sparse.realsize": "1152921504606846976" }, "");
  expect(code(hole)).toBe("ERR_LIMIT_EXCEEDED");
  expect(code(form10("1000001\n"))).toBe("ERR_LIMIT_EXCEEDED");
  expect(code(form01("0,512,8192,700,20000,0"), { sparseSegments: 2 })).toBe("ERR_LIMIT_EXCEEDED");
  for (const size of ["-1", "x", "99999999999999999999"]) {
    expect(code(form10("0\n", { "GNU.sparse.realsize": size }, ""))).not.toBe("ok");
  }
});
