import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { tableKind } from "./support/run-table-file.ts";
import { scratchDirectory } from "./support/scratch.ts";

const RUNNER = new URL("support/run-tables.ts", import.meta.url).pathname;
const GOOD = { input: "alpine", expect: { canonical: "docker.io/library/alpine:latest" } };
const BAD = { input: "alpine", expect: { canonical: "nonsense" } };
const REFUSED = {
  input: "Alpine",
  error: { code: "ERR_REFERENCE_INVALID", messageContains: "lowercase" },
};

function table(name: string, content: unknown): string {
  const path = join(scratchDirectory(), name);
  writeFileSync(path, typeof content === "string" ? content : JSON.stringify(content));
  return path;
}

/** Exit status and the lines on stdout. */
function run(...files: readonly string[]): {
  readonly status: number | null;
  readonly lines: readonly string[];
} {
  const { status, stdout } = spawnSync(process.execPath, [RUNNER, ...files], { encoding: "utf8" });
  return { status, lines: stdout.trimEnd().split("\n") };
}

test("a table that passes prints its count and exits 0", () => {
  const { status, lines } = run(table("references.json", { cases: [GOOD, REFUSED] }));
  expect(lines).toEqual(["2 passed, 0 failed"]);
  expect(status).toBe(0);
});

test("a failing row is one line with the row and what came, and the exit status is 1", () => {
  const { status, lines } = run(table("references.json", { cases: [GOOD, BAD] }));
  expect(lines).toHaveLength(2);
  expect(lines[0]).toMatch(
    /references\.json: "alpine": canonical: expected "nonsense", got "docker\.io\//,
  );
  expect(lines[1]).toBe("1 passed, 1 failed");
  expect(status).toBe(1);
});

test("the kind is the file's field, its name, or the known kind its name begins with", () => {
  const names = [{ reference: "a:1", name: "a" }];
  const { lines } = run(
    table("anything.json", { kind: "references", cases: [GOOD] }),
    table("references-hidden.json", { cases: [GOOD] }),
    table("references.2.json", { cases: [GOOD] }),
    table("image-names.json", names),
    table("image-names.more.json", { cases: names }),
  );
  expect(lines).toEqual(["5 passed, 0 failed"]);
});

test.each([
  ["mystery.json", { cases: [] }, /mystery\.json: Error: unknown kind of table/],
  ["references.json", "{not json", /references\.json: SyntaxError/],
  ["references.json", { rows: [] }, /has no `cases`/],
  ["references.json", { cases: [] }, /no rows/],
  [
    "references.json",
    { cases: [{ text: "alpine" }] },
    /row 1: threw Error: .*`input` is no string/,
  ],
  ["references.json", [7], /references\.json: row 1: the row is no object/],
  ["anything.json", { kind: "mystery", cases: [GOOD] }, /unknown kind of table/],
  ["references.json", { cases: [{ input: "alpine" }] }, /neither `expect` nor `error`/],
  [
    "references.json",
    { cases: [{ ...REFUSED, input: "alpine" }] },
    /expected ERR_REFERENCE_INVALID, got docker\.io/,
  ],
  [
    "platforms.json",
    { cases: [{ name: "x", wanted: "linux/amd64", manifests: [], expect: { index: 0 } }] },
    /ERR_PLATFORM_NOT_FOUND/,
  ],
])("%s with %j is a failure with a clear line", (name, content, message) => {
  const { status, lines } = run(table(name, content));
  expect(lines[0]).toMatch(message);
  expect(lines.at(-1)).toBe("0 passed, 1 failed");
  expect(status).toBe(1);
});

test("a row that cannot be run is one failure, and the others run", () => {
  const { lines } = run(table("references.json", [GOOD, null, { expect: {} }, REFUSED]));
  expect(lines).toHaveLength(3);
  expect(lines.at(-1)).toBe("2 passed, 2 failed");
});

test("a file of any name is of the kind that its rows look like, a byte order mark before it or not", () => {
  const corpus = new URL("../testdata/corpus/", import.meta.url);
  const files = readdirSync(corpus).filter((name) => name.endsWith(".json"));
  const kinds = files.map((name) =>
    tableKind("mystery.json", JSON.parse(readFileSync(new URL(name, corpus), "utf8"))),
  );
  expect(kinds).toEqual(files.map((name) => name.replace(".json", "")));
  expect(run(table("mystery.json", `\u{feff}${JSON.stringify([GOOD])}`)).lines).toEqual([
    "1 passed, 0 failed",
  ]);
});

test("a file that is not there, and no file at all, are failures", () => {
  expect(run("/nowhere/references.json").lines[0]).toMatch(/ENOENT/);
  expect(run().status).toBe(1);
});
