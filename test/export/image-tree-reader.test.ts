import { execFileSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { openExt4TreeReader } from "../../src/export/image-tree-reader.ts";
import { tarPieces } from "../../src/sink/tar/tar-pieces.ts";
import { overwrite } from "../support/damaged-image.ts";
import { edit } from "../support/ext4/damage-tools.ts";
import { writeImage, type ImageOptions } from "../support/ext4-image.ts";
import { importErrorFrom } from "../support/import-error.ts";
import { joinPieces, memoryReader } from "../support/memory-reader.ts";
import { randomTree } from "../support/random-entries.ts";
import { scratchDirectory } from "../support/scratch.ts";
import { assortedEntries } from "../support/sink-contract.ts";
import type { TreeEntry } from "../support/tree-builder.ts";

const NEVER = new AbortController().signal;

const archiveOf = (entries: readonly TreeEntry[]): Buffer =>
  joinPieces(tarPieces(memoryReader(entries), () => expect.unreachable()));

async function archiveOfImage(imagePath: string): Promise<Buffer> {
  const reader = await openExt4TreeReader(imagePath, NEVER);
  try {
    expect(reader.omissions).toEqual([]);
    return joinPieces(tarPieces(reader, () => expect.unreachable()));
  } finally {
    await reader.close();
  }
}

async function imageAndBack(entries: readonly TreeEntry[], options: ImageOptions): Promise<Buffer> {
  const imagePath = join(scratchDirectory(), "disk.ext4");
  writeImage(imagePath, entries, options);
  return archiveOfImage(imagePath);
}

test("every kind of entry comes out of a disk image as it went in", async () => {
  const archive = await imageAndBack(assortedEntries(), { diskMib: 32 });
  expect(archive.equals(archiveOf(assortedEntries()))).toBe(true);
});

/** What the inode of an ext4 file system cannot hold is clamped by its writer, and not for a reader to tell. */
function fits({ mtime, xattrs = {} }: TreeEntry): boolean {
  const names = Object.keys(xattrs);
  return (mtime?.[0] ?? 0) <= 2 ** 33 && names.every((name) => !name.includes("="));
}

test("random trees come out of a disk image as they went in, and no descriptor stays open", async () => {
  const place = scratchDirectory();
  const before = readdirSync("/proc/self/fd").length;
  let run = 0;
  await fc.assert(
    fc.asyncProperty(
      randomTree().filter((entries) => entries.every(fits)),
      async (entries) => {
        const imagePath = join(place, String((run += 1)));
        writeImage(imagePath, entries, { gapBlocks: 1 });
        expect((await archiveOfImage(imagePath)).equals(archiveOf(entries))).toBe(true);
      },
    ),
    { numRuns: 30 },
  );
  expect(readdirSync("/proc/self/fd").length).toBe(before);
});

test("holes are pieces of their own", async () => {
  const content = Buffer.from("stands for the sparse body");
  const block = Buffer.alloc(4096, "d");
  const sparse = new Map([
    [content, { sizeBytes: 2 ** 40, segments: [{ block: 1000, content: block }] }],
  ]);
  const imagePath = join(scratchDirectory(), "disk.ext4");
  const { tree } = writeImage(imagePath, [{ path: "sparse", type: "file", content }], {
    sparse,
    changed: (input) => {
      const { sizes } = input.tree;
      sizes[input.tree.inodes[1] ?? 0] = 2 ** 40;
      return input;
    },
  });
  expect(tree.entries).toBe(2);
  const reader = await openExt4TreeReader(imagePath, NEVER);
  const pieces = [...reader.contents(reader.tree.inodes[1] ?? 0)].map((piece) =>
    typeof piece === "number" ? piece : Buffer.from(piece).toString(),
  );
  await reader.close();
  expect(pieces).toEqual([1000 * 4096, block.toString(), 2 ** 40 - 1001 * 4096]);
});

test("lost+found is left out when it is the file system's own, and kept when somebody uses it", async () => {
  const own: TreeEntry[] = [{ path: "file", type: "file", content: Buffer.from("x") }];
  expect((await imageAndBack(own, {})).includes("lost+found")).toBe(false);
  const used: TreeEntry[] = [
    { path: "lost+found", type: "directory", mode: 0o755, mtime: [5, 0] },
    { path: "lost+found/file", type: "file", content: Buffer.from("x") },
  ];
  expect((await imageAndBack(used, {})).equals(archiveOf(used))).toBe(true);
});

/** debugfs writes what a guest may have made, or a hostile image has. */
function debugfs(imagePath: string, command: string): void {
  execFileSync("debugfs", ["-w", "-R", command, imagePath], { stdio: "ignore" });
}

test("sockets are left out and told; what a guest's overlay keeps in attributes is not an image's", async () => {
  const imagePath = join(scratchDirectory(), "disk.ext4");
  writeImage(imagePath, [
    { path: "run/sock", type: "fifo" },
    { path: "run/dir", type: "directory" },
  ]);
  debugfs(imagePath, "set_inode_field run/sock mode 0140644");
  debugfs(imagePath, "ea_set run/dir trusted.overlay.opaque y");
  debugfs(imagePath, "ea_set run/dir user.kept yes");
  const reader = await openExt4TreeReader(imagePath, NEVER);
  const archive = joinPieces(tarPieces(reader, () => expect.unreachable()));
  await reader.close();
  expect(reader.omissions).toEqual(["run/sock: socket left out"]);
  expect(archive.includes("overlay")).toBe(false);
  expect(archive.includes("SCHILY.xattr.user.kept=yes")).toBe(true);
});

test("a directory that is in itself has no end, and is damage", async () => {
  const imagePath = join(scratchDirectory(), "disk.ext4");
  writeImage(imagePath, [{ path: "a/b/c", type: "directory" }]);
  debugfs(imagePath, "link a a/b/again");
  const error = await importErrorFrom(openExt4TreeReader(imagePath, NEVER));
  expect(error.code).toBe("ERR_SNAPSHOT_DAMAGED");
  expect(error.message).toContain("has two names");
});

test.each([
  ["a name with a slash", "a/z", "a name of inode \\d+ cannot be one"],
  ["a name that is there twice", "abz", "a directory has a name of inode \\d+ twice"],
])("%s leads no export anywhere, though all checksums hold", async (_, name, problem) => {
  const imagePath = join(scratchDirectory(), "disk.ext4");
  writeImage(imagePath, [
    { path: "dir/abc", type: "file", content: Buffer.from("c") },
    { path: "dir/abz", type: "symlink", target: "/etc" },
  ]);
  await edit(imagePath, {
    path: "/dir",
    block: 0,
    change: (bytes) => bytes.write(name, bytes.indexOf("abc"), "latin1"),
  });
  const error = await importErrorFrom(openExt4TreeReader(imagePath, NEVER));
  expect(error.code).toBe("ERR_SNAPSHOT_DAMAGED");
  expect(error.message).toMatch(new RegExp(problem));
});

test("damage in the middle of an image ends the reading, and closes it", async () => {
  const imagePath = join(scratchDirectory(), "disk.ext4");
  writeImage(imagePath, assortedEntries(), { diskMib: 32 });
  overwrite(imagePath, 1024, Buffer.alloc(4096, 0xff));
  const before = readdirSync("/proc/self/fd").length;
  const error = await importErrorFrom(openExt4TreeReader(imagePath, NEVER));
  expect(error.code).toBe("ERR_SNAPSHOT_DAMAGED");
  expect(readdirSync("/proc/self/fd").length).toBe(before);
});
