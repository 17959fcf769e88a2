import fc from "fast-check";
import { expect, test } from "vitest";
import { nameBytesOf, NONE, pathOf, ROOT } from "../../../src/rootfs/rootfs-tree.ts";
import { numberInodes } from "../../../src/sink/ext4/inode-numbers.ts";
import { anyTree } from "../../support/ext4-random-tree.ts";
import { buildTree, type TreeEntry } from "../../support/tree-builder.ts";

function numbered(entries: readonly TreeEntry[]): readonly (readonly [number, string])[] {
  const tree = buildTree(entries, () => 0);
  const { names, last } = numberInodes(tree);
  return [...names]
    .slice(0, last + 1)
    .map((name, number) => [number, name] as const)
    .filter(([, name]) => name !== NONE)
    .map(([number, name]) => [number, pathOf(tree, name).toString("latin1")]);
}

const entry = (path: string, type: TreeEntry["type"] = "fifo"): TreeEntry => ({ path, type });

test("numbers go depth first, in byte order of the names", () => {
  const paths = ["b/z", "b/a/x", "a", "c", "B", "b-", "\xff", "\x7f", "bb"];
  expect(numbered(paths.map((path) => entry(path)))).toEqual([
    [2, ""],
    [12, "B"],
    [13, "a"],
    [14, "b"],
    [15, "b/a"],
    [16, "b/a/x"],
    [17, "b/z"],
    [18, "b-"],
    [19, "bb"],
    [20, "c"],
    [21, "\x7f"],
    [22, "\xff"],
  ]);
});

test("several names of one inode have one number, that of the first in order", () => {
  const link: TreeEntry = { path: "a/link", type: "hardlink", target: "z" };
  expect(numbered([entry("z", "file"), link, entry("b")])).toEqual([
    [2, ""],
    [12, "a"],
    [13, "a/link"],
    [14, "b"],
  ]);
});

test("a lost+found directory of the root is number 11, wherever it stands in the order", () => {
  expect(numbered([entry("a"), entry("lost+found/x"), entry("z/lost+found/y")])).toEqual([
    [2, ""],
    [11, "lost+found"],
    [12, "a"],
    [13, "lost+found/x"],
    [14, "z"],
    [15, "z/lost+found"],
    [16, "z/lost+found/y"],
  ]);
});

test("a tree deeper than the call stack is numbered", () => {
  const depth = 50_000;
  const count = depth + 1;
  const single = buildTree([], () => 0);
  const tree = {
    ...single,
    nameCount: count,
    entries: count,
    inodeCount: count,
    parents: Uint32Array.from({ length: count }, (_, at) => Math.max(0, at - 1)),
    firstChildren: Uint32Array.from({ length: count }, (_, at) => (at === depth ? NONE : at + 1)),
    nextSiblings: new Uint32Array(count).fill(NONE),
    inodes: Uint32Array.from({ length: count }, (_, at) => at),
    nameOffsets: new Uint32Array(count),
    nameLengths: new Uint8Array(count).fill(1),
    nameBytes: Buffer.from("d"),
    modes: new Uint16Array(count).fill(0o040755),
  };
  expect(numberInodes(tree).last).toBe(11 + depth);
});

test("the children of every directory are all of its names, in byte order", () => {
  fc.assert(
    fc.property(anyTree, (entries) => {
      const tree = buildTree(entries, () => 0);
      const { numbers, names, children, childrenStarts, childrenEnds, last } = numberInodes(tree);
      let seen = 0;
      for (let number = 2; number <= last; number++) {
        const own = [...children.subarray(childrenStarts[number], childrenEnds[number])];
        seen += own.length;
        const directory = names[number] ?? NONE;
        expect(own.every((name) => tree.parents[name] === directory)).toBe(true);
        const sorted = own.toSorted((a, b) =>
          Buffer.compare(nameBytesOf(tree, a), nameBytesOf(tree, b)),
        );
        expect(own).toEqual(sorted);
      }
      expect(seen).toBe(tree.entries - 1);
      expect(new Set(numbers).size).toBe(tree.inodeCount);
      expect(numbers[ROOT]).toBe(2);
    }),
    { numRuns: 50 },
  );
});
