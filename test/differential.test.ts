import { spawnSync } from "node:child_process";
import { linkSync, mkdirSync, mkdtempSync, readFileSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { DEVIATION_ROWS, LISTED_CASES } from "./support/differential/deviations.ts";
import { openJail, type Jail } from "./support/differential/jail.ts";
import { checkCase, checkRandom, differentialCases } from "./support/differential/run-checks.ts";
import { treeDifferences } from "./support/differential/tree-differences.ts";
import { scratchDirectory } from "./support/scratch.ts";

/** One of each kind of agreement and disagreement; `npm run test:differential` asks about all. */
const CHOSEN = [
  "dir-then-symlink-then-child",
  "duplicate-dir-file-dir",
  "hardlink-brings-xattrs",
  "hardlink-to-symlink-outside",
  "layer-zstd",
  "long-symlink-chain",
  "name-absolute-canary",
  "name-dotdot-absolute",
  "opaque-at-root",
  "pax-global-does-not-apply",
  "pax-size-smuggling",
  "sparse-pax-1.0",
  "symlink-chain-attack",
  "uid-overflow",
  "unknown-typeflag",
  "whiteout-in-first-layer",
  "xattr-overlay-redirect",
  "zero-block-then-entry",
];

let jail: Jail;
let base: string;

beforeAll(async () => {
  base = mkdtempSync(join(tmpdir(), "rootlift-differential-"));
  jail = await openJail(base);
});
afterAll(async () => {
  await jail.close();
  spawnSync("rm", ["-rf", "--", base]);
});

test.each(CHOSEN)("peers do with %s what the table of disagreements says", async (name) => {
  const layerCase = differentialCases().find((candidate) => candidate.name === name);
  if (layerCase === undefined) throw new Error("no such case");
  expect(await checkCase(layerCase, { jail, work: join(base, name) })).toEqual([]);
});

test("random hostile archives make the same tree with us and with the peers, but for known disagreements", async () => {
  expect(await checkRandom(12, 20_251_125, { jail, work: join(base, "random") })).toEqual([]);
});

test("trees that differ in contents, modes, times and links are told apart", () => {
  const work = scratchDirectory();
  for (const root of ["one", "other"]) {
    mkdirSync(join(work, root));
    for (const name of ["content", "mode", "time", "links", "same"]) {
      writeFileSync(join(work, root, name), root === "other" && name === "content" ? "y" : "x", {
        mode: root === "other" && name === "mode" ? 0o600 : 0o644,
      });
      const seconds = root === "other" && name === "time" ? 2 : 1;
      utimesSync(join(work, root, name), seconds, seconds);
    }
  }
  linkSync(join(work, "other/links"), join(work, "other/more"));
  const differences = treeDifferences(join(work, "one"), join(work, "other"));
  expect(differences.map((difference) => difference.split(":")[0])).toEqual(
    expect.arrayContaining([
      "content of content",
      "mode of mode",
      "time of time",
      "more is only theirs",
    ]),
  );
  expect(differences.filter((difference) => difference.includes("same"))).toEqual([]);
});

test("a peer cannot write outside of its jail", async () => {
  const run = await jail.run(["touch", join(import.meta.dirname, "escaped")]);
  expect(run.exitCode).not.toBe(0);
  expect(run.stderr).toContain("Read-only file system");
});

test("the rows of the disagreements are those of the tables in ARCHITECTURE.md", () => {
  const page = readFileSync(join(import.meta.dirname, "../ARCHITECTURE.md"), "utf8");
  const [, section = ""] = page.split("\n### Where the peers disagree\n");
  const [tables = ""] = section.split(/\n#{2,3} /);
  const rows = [...tables.matchAll(/^\| (.*?) +\| /gm)].map(([, title = ""]) => title.trim());
  expect(rows.filter((title) => title !== "case" && !/^-+$/.test(title))).toEqual(DEVIATION_ROWS);
});

test("the cases of the disagreements are there", () => {
  const names = new Set(differentialCases().map(({ name }) => name));
  expect([...LISTED_CASES].filter((name) => !names.has(name))).toEqual([]);
});
