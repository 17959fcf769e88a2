import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { DirectoryFiles } from "../../src/browse/directory-files.ts";
import { findFile } from "../../src/browse/find-file.ts";
import { ImportError } from "../../src/errors.ts";
import { importErrorOf } from "../support/import-error.ts";
import { openInRoot } from "../support/open-in-root.ts";
import { scratchDirectory } from "../support/scratch.ts";

const CODES: Readonly<Record<string, string>> = {
  ENOENT: "ERR_NOT_FOUND",
  ENOTDIR: "ERR_NOT_A_DIRECTORY",
  ELOOP: "ERR_LINK_LOOP",
  ENAMETOOLONG: "ERR_NAME_TOO_LONG",
};

const name = fc.constantFrom("a", "b", "c");
const part = fc.oneof({ weight: 5, arbitrary: name }, fc.constantFrom("..", ".", ""));
const path = fc
  .tuple(fc.constantFrom("", "/"), fc.array(part, { minLength: 1, maxLength: 6 }))
  .map(([start, parts]) => start + parts.join("/"))
  .filter((text) => text !== "");
const node = fc.oneof(
  fc.constant({ kind: "directory" as const }),
  fc.constant({ kind: "file" as const }),
  path.map((target) => ({ kind: "link" as const, target })),
);

interface Node {
  readonly kind: string;
  readonly target?: string;
}

/** Makes what can be made: a name below a file or a link is left out. */
function makeTree(root: string, nodes: readonly (readonly [readonly string[], Node])[]): void {
  const kinds = new Map<string, string>([["", "directory"]]);
  for (const [parts, { kind, target }] of nodes) {
    const key = parts.join("/");
    if (kinds.get(parts.slice(0, -1).join("/")) !== "directory" || kinds.has(key)) continue;
    kinds.set(key, kind);
    const place = join(root, key);
    if (kind === "directory") mkdirSync(place);
    else if (target === undefined) writeFileSync(place, "");
    else symlinkSync(target, place);
  }
}

test("any path in any tree of links leads where the kernel would lead a process of that root", () => {
  const places = scratchDirectory();
  let run = 0;
  const nodes = fc.array(fc.tuple(fc.array(name, { minLength: 1, maxLength: 3 }), node), {
    maxLength: 14,
  });
  fc.assert(
    fc.property(nodes, fc.array(path, { minLength: 1, maxLength: 8 }), (tree, paths) => {
      const root = join(places, String((run += 1)));
      mkdirSync(root);
      makeTree(
        root,
        tree.toSorted(([a], [b]) => a.length - b.length),
      );
      const files = new DirectoryFiles(root);
      try {
        for (const wanted of paths) {
          const expected = openInRoot(root, Buffer.from(wanted));
          expect([wanted, outcome(files, wanted)]).toEqual([
            wanted,
            Buffer.isBuffer(expected) ? expected.toString() : CODES[expected.errno],
          ]);
        }
      } finally {
        void files.close();
      }
    }),
    { numRuns: 300 },
  );
});

function outcome(files: DirectoryFiles, wanted: string): string {
  try {
    const { path: parts } = findFile(files, Buffer.from(wanted));
    return `/${parts.map(String).join("/")}`;
  } catch (error) {
    if (error instanceof ImportError) return error.code;
    throw error;
  }
}

test("links are followed forty times, and no more", () => {
  const root = scratchDirectory();
  writeFileSync(join(root, "end"), "");
  for (let n = 0; n <= 40; n++) symlinkSync(n === 0 ? "end" : `l${n - 1}`, join(root, `l${n}`));
  const files = new DirectoryFiles(root);
  expect(findFile(files, Buffer.from("l39")).path.map(String)).toEqual(["end"]);
  const error = importErrorOf(() => findFile(files, Buffer.from("/l40")));
  expect(error.code).toBe("ERR_LINK_LOOP");
  expect(error.message).toBe('"/l40" leads through more than 40 links');
  void files.close();
});

test("what is not there, or no directory, is said with the path that was asked for", () => {
  const root = scratchDirectory();
  writeFileSync(join(root, "file"), "");
  const files = new DirectoryFiles(root);
  const messageOf = (wanted: string): string =>
    importErrorOf(() => findFile(files, Buffer.from(wanted))).message;
  expect(messageOf("/no/such")).toBe('"/no/such" is not in the image');
  expect(messageOf("/file/x")).toBe('"file" in "/file/x" is not a directory');
  expect(messageOf("/file/")).toBe('"file" in "/file/" is not a directory');
  expect(messageOf(`/${"x/".repeat(3000)}`)).toBe("the path has more than 4095 bytes");
  expect(messageOf("/\u001B[31m")).toBe('"/\\x1b[31m" is not in the image');
  expect(messageOf(`/${"n".repeat(300)}`)).toContain("is not in the image");
  void files.close();
});
