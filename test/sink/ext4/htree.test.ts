import { lstatSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { DirectoryEntries } from "../../../src/sink/ext4/directory-entries.ts";
import { HalfMd4 } from "../../../src/sink/ext4/half-md4.ts";
import { Htree, mostBlocksOf, nodesAbove } from "../../../src/sink/ext4/htree.ts";
import { numberInodes } from "../../../src/sink/ext4/inode-numbers.ts";
import { TEST_IDENTITY } from "../../support/ext4-image.ts";
import { withMounted } from "../../support/loop-mount.ts";
import { debugfs, faithfulImage, file, soundImage } from "../../support/sound-image.ts";
import { buildTree, type TreeEntry } from "../../support/tree-builder.ts";

function names(count: number, nameOf: (n: number) => string): readonly TreeEntry[] {
  return Array.from({ length: count }, (_, n) => file(`d/${nameOf(n)}`, ""));
}

/** Expects the kernel to find every name by its hash, and to list each once. */
async function lookUpAll(imagePath: string, path: string, expected: number): Promise<void> {
  await withMounted(imagePath, "read-only", (root) => {
    const listed = readdirSync(join(root, path), { encoding: "buffer" });
    expect(listed.length).toBe(expected);
    expect(new Set(listed.map((name) => name.toString("latin1"))).size).toBe(expected);
    const prefix = Buffer.from(`${join(root, path)}/`);
    for (const name of listed) lstatSync(Buffer.concat([prefix, name]));
  });
}

test("a directory that fits one block has no index, with one byte more it has", async () => {
  // `.` and `..` take 24 of 4,084 bytes, each of these names 8 + 20.
  const full = names(145, (n) => `${n}`.padStart(20, "x"));
  const one = await faithfulImage(full);
  expect(await debugfs(one.path, "stat d")).toContain("Size: 4096");
  expect(await debugfs(one.path, "stat d")).toContain("Flags: 0x80000\n");
  const two = await faithfulImage([...full, file("d/y", "")]);
  // A root and one leaf: without `.` and `..` the names fit.
  expect(await debugfs(two.path, "stat d")).toContain("Size: 8192");
  expect(await debugfs(two.path, "stat d")).toContain("Flags: 0x81000\n");
});

test("a root directory that only lost+found makes too large is indexed", async () => {
  const entries = Array.from({ length: 145 }, (_, n) => file(`${n}`.padStart(20, "x"), ""));
  const { path } = await faithfulImage(entries);
  expect(await debugfs(path, "stat /")).toContain("Flags: 0x81000\n");
});

test("5,000 names have one level of index, and all are found", async () => {
  const { path } = await soundImage(
    names(5000, (n) => `entry-${n}`),
    { diskMib: 128 },
  );
  const dump = await debugfs(path, "htree_dump /d");
  expect(dump).toContain("Indirect levels: 0");
  expect(dump).toContain("Hash Version: 1");
  await lookUpAll(path, "d", 5000);
});

test("9,000 long names have two levels of index, and all are found", async () => {
  const { path } = await soundImage(
    names(9000, (n) => `${n}-`.padEnd(236, "\xfc")),
    { diskMib: 256 },
  );
  expect(await debugfs(path, "htree_dump /d")).toContain("Indirect levels: 1");
  await lookUpAll(path, "d", 9000);
});

test("names of one hash are found, also where they lie on both sides of a border", async () => {
  // `c0033301` and `c0036661` both hash to 0x8a6e3334 with the seed of the tests.
  const hash = new HalfMd4(TEST_IDENTITY.hashSeed);
  const majorOf = (name: string): number => {
    hash.hash(Buffer.from(name), 0, name.length);
    return hash.major;
  };
  expect([majorOf("c0033301"), majorOf("c0036661")]).toEqual([0x8a6e_3334, 0x8a6e_3334]);
  // 203 records of 20 bytes fill a leaf: the pair becomes its last and the next one's first.
  const others = Array.from({ length: 2000 }, (_, n) => `n${String(n).padStart(7, "0")}`);
  const below = others.filter((name) => majorOf(name) < 0x8a6e_3334);
  const perLeaf = Math.floor(4084 / 16);
  const kept = below.slice(0, perLeaf * Math.floor(below.length / perLeaf) - 1);
  const above = others.filter((name) => majorOf(name) > 0x8a6e_3334);
  const all = [...kept, ...above, "c0033301", "c0036661"];
  const { path } = await soundImage(
    all.map((name) => file(`d/${name}`, "")),
    { diskMib: 64 },
  );
  expect(await debugfs(path, "htree_dump /d")).toContain("0x8a6e3335");
  await lookUpAll(path, "d", all.length);
});

test("an indexed lost+found of the image is possible", async () => {
  const entries = Array.from({ length: 300 }, (_, n) => file(`lost+found/#${n}`.padEnd(60, "x")));
  const { path } = await faithfulImage(entries);
  expect(await debugfs(path, "stat <11>")).toContain("Flags: 0x81000\n");
});

test("the number of blocks is known before the names are hashed, give or take a few", () => {
  for (const [count, length] of [
    [200, 255],
    [3000, 1],
    [5000, 12],
    [9000, 240],
  ] as const) {
    const tree = buildTree(
      names(count, (n) => `${n}`.padEnd(Math.min(length, n % 2 === 0 ? 255 : 4), "x")),
      () => -1,
    );
    const entries = new DirectoryEntries();
    const numbers = numberInodes(tree);
    entries.list(tree, numbers, 12);
    expect(entries.count).toBe(count);
    const htree = new Htree(new HalfMd4(TEST_IDENTITY.hashSeed));
    htree.plan(entries);
    expect(htree.blocks).toBeLessThanOrEqual(mostBlocksOf(entries));
    expect(mostBlocksOf(entries)).toBeLessThan(htree.blocks * 1.15 + 3);
  }
  expect([507, 508, 1020, 1021].map(nodesAbove)).toEqual([0, 1, 2, 3]);
});
