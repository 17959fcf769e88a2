import { expect, test } from "vitest";
import { outcomeOf } from "../support/import-error.ts";
import { decodeEntries } from "../support/decode-layer.ts";
import { kindOfName } from "../../src/layer/whiteout.ts";

function kind(path: string): string {
  const bytes = Buffer.from(`<${path}>`);
  return kindOfName(bytes, 1, bytes.length - 1);
}

test.each([
  [".wh.a", "whiteout"],
  ["d/.wh.a", "whiteout"],
  ["d/.wh.\u00e4 b", "whiteout"],
  ["d/.wh.ab", "whiteout"],
  ["d/.wh..a", "whiteout"],
  ["d/.wh....", "whiteout"],
  ["d/.wh..wh.x", "whiteout"],
  [".wh..wh..opq", "opaque"],
  ["d/.wh..wh..opq", "opaque"],
  ["d/.wh..wh..opqx", "whiteout"],
  [".wh..wh.aufs", "aufs"],
  [".wh..wh.plnk/105.1", "aufs"],
  [".wh..wh.orph", "aufs"],
  ["d/.wh.", "names its directory"],
  [".wh..", "names its directory"],
  ["d/.wh...", "names its parent"],
  ["wh.a", "object"],
  ["a.wh.b", "object"],
  ["d/.whx", "object"],
  [".wh.d/x", "object"],
])("by its name, %s is: %s", (path, expected) => {
  expect(kind(path)).toBe(expected);
});

test("a whiteout has the hidden path, an opaque marker its directory", () => {
  const entries = decodeEntries([
    { path: "d/e/.wh.gone", type: "file" },
    { path: ".wh.top", type: "file" },
    { path: "d/.wh..wh..opq", type: "file" },
    { path: ".wh..wh..opq", type: "file" },
  ]);
  expect(entries.map(({ type, path }) => [type, path])).toEqual([
    ["whiteout", "d/e/gone"],
    ["whiteout", "top"],
    ["opaque", "d"],
    ["opaque", ""],
  ]);
});

test("only the name makes a whiteout: type, body, link and owner are ignored", () => {
  const entries = decodeEntries([
    { path: ".wh.a", type: "dir" },
    { path: ".wh.b", type: "symlink", linkname: "" },
    { path: ".wh.c", type: "hardlink", linkname: "../../x" },
    { path: ".wh.d", type: "file", size: 3000, fill: "x" },
    { path: ".wh.e", type: "file", raw: { uid: { base256: -1 } } },
    { path: ".wh.f", type: "char", devmajor: 99_999 },
    { path: "after", type: "file", content: "1" },
  ]);
  expect(entries.map(({ type, path }) => `${type} ${path}`)).toEqual([
    "whiteout a",
    "whiteout b",
    "whiteout c",
    "whiteout d",
    "whiteout e",
    "whiteout f",
    "file after",
  ]);
  expect(entries.slice(0, 6).every(({ body, size }) => body === "" && size === 0)).toBe(true);
});

test("aufs' own files at the root of a layer are left out, with their bodies", () => {
  const entries = decodeEntries([
    { path: ".wh..wh.plnk", type: "dir" },
    { path: ".wh..wh.plnk/105.1", type: "file", size: 5000, fill: "x" },
    { path: "x", type: "hardlink", linkname: "/.wh..wh.plnk/105.1" },
    { path: "b", type: "file", content: "2" },
  ]);
  expect(entries.map(({ type, path }) => `${type} ${path}`)).toEqual(["hardlink x", "file b"]);
});

const code = (path: string): string => outcomeOf(() => decodeEntries([{ path, type: "file" }]));

test("a whiteout that names its own directory or its parent is refused", () => {
  expect(code("d/.wh.")).toBe("ERR_LAYER_CORRUPT");
  expect(code("d/.wh..")).toBe("ERR_LAYER_CORRUPT");
  expect(code("d/.wh...")).toBe("ERR_PATH_ESCAPE");
  expect(code(".wh...")).toBe("ERR_PATH_ESCAPE");
});
