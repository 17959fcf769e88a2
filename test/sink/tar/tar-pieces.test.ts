import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { PIECE_BYTES, type TreeSource } from "../../../src/rootfs/tree-reader.ts";
import { tarPieces } from "../../../src/sink/tar/tar-pieces.ts";
import { extractTar } from "../../support/extract-tar.ts";
import { importErrorOf } from "../../support/import-error.ts";
import { joinPieces, memoryReader } from "../../support/memory-reader.ts";
import { randomTree } from "../../support/random-entries.ts";
import { readDirectory } from "../../support/read-directory.ts";
import { scratchDirectory } from "../../support/scratch.ts";
import { assortedEntries, expectedNames } from "../../support/sink-contract.ts";
import type { TreeEntry } from "../../support/tree-builder.ts";

function archiveOf(source: TreeSource): Buffer {
  return joinPieces(tarPieces(source, () => expect.unreachable()));
}

/** Names as GNU tar lists them, raw bytes as latin1. */
function listed(archive: Buffer): string[] {
  const args = ["-t", "--quoting-style=literal", "--null", "--show-transformed-names", "-f", "-"];
  const text = execFileSync("tar", [...args, "--warning=none"], {
    input: archive,
    encoding: "latin1",
  });
  return text.split("\n").slice(0, -1);
}

test("random trees come out of GNU tar as they are", () => {
  const place = scratchDirectory();
  let run = 0;
  fc.assert(
    fc.property(randomTree(), (entries) => {
      const directory = join(place, String((run += 1)));
      writeFileSync(`${directory}.tar`, archiveOf(memoryReader(entries)));
      extractTar(`${directory}.tar`, directory);
      expect(readDirectory(directory)).toEqual(expectedNames(entries));
    }),
    { numRuns: 60 },
  );
});

test("bsdtar unpacks every kind of entry as it is", () => {
  // libarchive 3.6 adds the fraction of a time before 1970 with the wrong sign, and does not set the time of the
  // directory it unpacks into.
  const entries = assortedEntries().map((entry) =>
    entry.mtime?.[0] === -1 ? Object.assign({}, entry, { mtime: [-2, 0] }) : entry,
  );
  const place = scratchDirectory();
  writeFileSync(join(place, "a.tar"), archiveOf(memoryReader(entries)));
  const out = join(place, "out");
  mkdirSync(out);
  const args = ["-x", "-p", "--same-owner", "--numeric-owner", "-f", join(place, "a.tar")];
  execFileSync("bsdtar", [...args, "-C", out], { env: { ...process.env, LC_ALL: "C.UTF-8" } });
  const [root, ...others] = readDirectory(out);
  const [expectedRoot, ...expected] = expectedNames(entries);
  expect(others).toEqual(expected);
  expect({ ...root, mtimeNs: 0 }).toEqual({ ...expectedRoot, mtimeNs: 0 });
});

test("equal trees are equal bytes, in whatever order they were made and in whatever pieces they are read", () => {
  fc.assert(
    fc.property(
      randomTree().chain((entries) =>
        fc.tuple(
          fc.constant(entries),
          fc.shuffledSubarray(entries, { minLength: entries.length }),
          fc.integer({ min: 1, max: 5000 }),
        ),
      ),
      ([entries, shuffled, pieceBytes]) => {
        const archive = archiveOf(memoryReader(entries));
        expect(archiveOf(memoryReader(shuffled, pieceBytes)).equals(archive)).toBe(true);
      },
    ),
  );
});

test("names are in the order of their bytes, the root first, each directory before what is in it", () => {
  fc.assert(
    fc.property(randomTree(), (entries) => {
      const names = listed(archiveOf(memoryReader(entries)));
      expect(names[0]).toBe("./");
      const rest = names.slice(1);
      expect(rest).toEqual(rest.toSorted((a, b) => (a < b ? -1 : 1)));
      expect(new Set(rest).size).toBe(rest.length);
      const directories = new Set(rest.filter((name) => name.endsWith("/")));
      const parents = rest
        .map((name) => name.slice(0, name.lastIndexOf("/", name.length - 2) + 1))
        .filter((name) => name !== "");
      expect(parents.filter((name) => !directories.has(name))).toEqual([]);
    }),
    { numRuns: 30 },
  );
});

test("a hole is zeros in the archive, and a run of zeros in the pieces when it is long", () => {
  const content = Buffer.concat([Buffer.from("a"), Buffer.alloc(200_000), Buffer.from("b")]);
  const entries: TreeEntry[] = [{ path: "sparse", type: "file", content }];
  const { tree } = memoryReader(entries);
  const holes = {
    tree,
    contents: () => [Buffer.from("a"), 150_000, 50_000, Buffer.from("b")],
  };
  expect(archiveOf(holes).equals(archiveOf(memoryReader(entries)))).toBe(true);
  const pieces = [...tarPieces(holes, () => undefined)];
  expect(pieces.filter((piece) => typeof piece === "number")).toEqual([150_000]);
});

test("no piece is longer than a megabyte, and small ones are joined", () => {
  const entries: TreeEntry[] = Array.from({ length: 3000 }, (_, index) => ({
    path: `f${index}`,
    type: "file",
    content: Buffer.from(`${index}`),
  }));
  entries.push({ path: "large", type: "file", content: Buffer.alloc(3_000_001, "l") });
  const lengths = [...tarPieces(memoryReader(entries), () => undefined)].map((piece) =>
    typeof piece === "number" ? piece : piece.length,
  );
  expect(Math.max(...lengths)).toBeLessThanOrEqual(PIECE_BYTES);
  expect(lengths.length).toBeLessThan(12);
});

test.each([
  ["shorter", [Buffer.from("12")], /"f" has 2 of 3 bytes/],
  ["longer", [Buffer.from("12"), 10], /"f" has more than 3 bytes/],
])("contents that are %s than the tree says end the archive", (_, pieces, message) => {
  const { tree } = memoryReader([{ path: "f", type: "file", content: Buffer.from("123") }]);
  const error = importErrorOf(() => archiveOf({ tree, contents: () => pieces }));
  expect(error.code).toBe("ERR_STORE_IO");
  expect(error.message).toMatch(message);
});

test("an attribute that no header can name is left out and told, once for an inode of several names", () => {
  const xattrs = { "user.a=b": Buffer.from("1"), "user.kept": Buffer.from("2") };
  const entries: TreeEntry[] = [
    { path: "f", type: "file", content: Buffer.from("x"), xattrs },
    { path: "g", type: "hardlink", target: "f" },
  ];
  const told: string[] = [];
  const archive = joinPieces(
    tarPieces(memoryReader(entries), (path, what) => told.push(`${String(path)}: ${what}`)),
  );
  expect(told).toEqual(["f: user.a=b left out (no tar header can name it)"]);
  expect(archive.includes("SCHILY.xattr.user.kept=2")).toBe(true);
  expect(archive.includes("user.a=b")).toBe(false);
});
