import { execFileSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  existsSync,
  ftruncateSync,
  closeSync,
  linkSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  statSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { nameBytesOf, ROOT } from "../../../src/rootfs/rootfs-tree.ts";
import type { TreeReader } from "../../../src/rootfs/tree-reader.ts";
import { openDirectoryReader } from "../../../src/sink/directory/directory-reader.ts";
import { tarPieces } from "../../../src/sink/tar/tar-pieces.ts";
import { extractTar } from "../../support/extract-tar.ts";
import { importErrorFrom, importErrorOf } from "../../support/import-error.ts";
import { joinPieces, memoryReader } from "../../support/memory-reader.ts";
import { randomTree } from "../../support/random-entries.ts";
import { scratchDirectory } from "../../support/scratch.ts";
import { assortedEntries } from "../../support/sink-contract.ts";
import type { TreeEntry } from "../../support/tree-builder.ts";

const NEVER = new AbortController().signal;

const archiveOf = (reader: TreeReader): Buffer =>
  joinPieces(tarPieces(reader, () => expect.unreachable()));

/** The inode of a name at the top. */
function inodeAt(reader: TreeReader, component: string): number {
  const { tree } = reader;
  for (let name = 1; name < tree.nameCount; name++) {
    const isIt = Buffer.from(nameBytesOf(tree, name)).toString("latin1") === component;
    if (isIt && tree.parents[name] === ROOT) return tree.inodes[name] ?? -1;
  }
  throw new Error(`there is no ${component}`);
}

/** Unpacked by GNU tar, then read: the archive of it. */
async function archiveOfDisk(entries: readonly TreeEntry[], place: string): Promise<Buffer> {
  writeFileSync(`${place}.tar`, archiveOf(memoryReader(entries)));
  extractTar(`${place}.tar`, place);
  const reader = await openDirectoryReader(place, NEVER);
  try {
    expect(reader.omissions).toEqual([]);
    return archiveOf(reader);
  } finally {
    await reader.close();
  }
}

test("every kind of entry is read as it lies on the disk", async () => {
  const archive = await archiveOfDisk(assortedEntries(), join(scratchDirectory(), "root"));
  expect(archive.equals(archiveOf(memoryReader(assortedEntries())))).toBe(true);
});

test("random trees are read as they lie on the disk, and no descriptor stays open", async () => {
  const place = scratchDirectory();
  let run = 0;
  const before = readdirSync("/proc/self/fd").length;
  await fc.assert(
    fc.asyncProperty(randomTree(), async (entries) => {
      const archive = await archiveOfDisk(entries, join(place, String((run += 1))));
      expect(archive.equals(archiveOf(memoryReader(entries)))).toBe(true);
    }),
    { numRuns: 40 },
  );
  expect(readdirSync("/proc/self/fd").length).toBe(before);
});

test("a tree deeper than there may be descriptors is read", async () => {
  const components = Array.from({ length: 700 }, (_, index) => `d${index}`);
  const entries: TreeEntry[] = components.map((_, index) => ({
    path: components.slice(0, index + 1).join("/"),
    type: "directory",
    mtime: [index, 1],
  }));
  entries.push({ path: `${components.join("/")}/f`, type: "file", content: Buffer.from("deep") });
  entries.push({ path: "d0/second", type: "directory" });
  const archive = await archiveOfDisk(entries, join(scratchDirectory(), "root"));
  expect(archive.equals(archiveOf(memoryReader(entries)))).toBe(true);
});

test("holes are pieces of their own, wherever they lie", async () => {
  const root = scratchDirectory();
  const fd = openSync(join(root, "sparse"), "w");
  writeSync(fd, "head", 0);
  writeSync(fd, "tail", 2 ** 30);
  ftruncateSync(fd, 2 ** 40);
  closeSync(fd);
  const reader = await openDirectoryReader(root, NEVER);
  let data = 0;
  let holes = 0;
  for (const piece of reader.contents(inodeAt(reader, "sparse"))) {
    if (typeof piece === "number") holes += piece;
    else data += piece.length;
  }
  await reader.close();
  expect(data + holes).toBe(2 ** 40);
  expect(data).toBeLessThan(1 << 20);
});

test("sockets are left out and told", async () => {
  const root = scratchDirectory();
  mkdirSync(join(root, "run"));
  writeFileSync(join(root, "run", "file"), "x");
  const server = createServer().listen(join(root, "run", "sock\n"));
  await new Promise((resolve) => {
    server.once("listening", resolve);
  });
  const reader = await openDirectoryReader(root, NEVER);
  expect(reader.omissions).toEqual(["run/sock\\x0a: socket left out"]);
  expect(reader.tree.entries).toBe(3);
  await reader.close();
  await new Promise((resolve) => {
    server.close(resolve);
  });
});

test("what is mounted inside is left out and told", async () => {
  // On every Linux that this runs on, something is mounted in /dev.
  expect(statSync("/dev/pts").dev).not.toBe(statSync("/dev").dev);
  const reader = await openDirectoryReader("/dev", NEVER);
  await reader.close();
  expect(reader.omissions).toContain("pts: left out, another file system is mounted there");
});

test("a directory that turns into a link while it is read leads nowhere", async () => {
  const place = scratchDirectory();
  const root = join(place, "root");
  mkdirSync(join(root, "sub"), { recursive: true });
  writeFileSync(join(root, "sub", "secret"), "mine");
  mkdirSync(join(place, "host"));
  writeFileSync(join(place, "host", "secret"), "host");
  const reader = await openDirectoryReader(root, NEVER);
  renameSync(join(root, "sub"), join(root, "moved"));
  symlinkSync(join(place, "host"), join(root, "sub"));
  const error = importErrorOf(() => archiveOf(reader));
  await reader.close();
  expect(error.code).toBe("ERR_STORE_IO");
  expect(error.message).toMatch(/cannot read "sub\/secret" at .*: (ENOTDIR|ELOOP)/);
});

test.each([
  ["turns into a link", (path: string) => symlinkSync("/etc/hostname", path), /ELOOP/],
  ["turns into a fifo", (path: string) => execFileSync("mkfifo", [path]), /changed while/],
  ["grows", (path: string) => writeFileSync(path, "longer"), /changed while/],
  ["is gone", () => undefined, /ENOENT/],
])("a file that %s while it is read spoils the result", async (_, change, message) => {
  const root = scratchDirectory();
  writeFileSync(join(root, "file"), "short");
  const reader = await openDirectoryReader(root, NEVER);
  renameSync(join(root, "file"), join(root, "away"));
  change(join(root, "file"));
  const error = importErrorOf(() => archiveOf(reader));
  await reader.close();
  expect(error.code).toBe("ERR_STORE_IO");
  expect(error.message).toMatch(message);
});

test("a file that shrinks between two pieces spoils the result", async () => {
  const root = scratchDirectory();
  const path = join(root, "file");
  writeFileSync(path, Buffer.alloc(3 << 20, "x"));
  const reader = await openDirectoryReader(root, NEVER);
  const error = importErrorOf(() => {
    for (const piece of reader.contents(inodeAt(reader, "file"))) {
      expect(piece).not.toBe(0);
      const fd = openSync(path, "r+");
      ftruncateSync(fd, 1 << 20);
      closeSync(fd);
    }
  });
  await reader.close();
  expect(error.message).toBe('"file" changed while it was read');
});

test("a directory that is not there, or is none, is an error that names it", async () => {
  const place = scratchDirectory();
  writeFileSync(join(place, "file"), "");
  for (const name of ["none", "file"]) {
    const error = await importErrorFrom(openDirectoryReader(join(place, name), NEVER));
    expect(error.code).toBe("ERR_STORE_IO");
    expect(error.message).toContain(`the root filesystem at ${join(place, name)}`);
  }
});

test("reading can be cancelled", async () => {
  const root = scratchDirectory();
  for (let index = 0; index < 600; index++) writeFileSync(join(root, String(index)), "");
  const error = await importErrorFrom(openDirectoryReader(root, AbortSignal.abort()));
  expect(error.code).toBe("ERR_CANCELLED");
});

const PROGRAM = new URL("../../support/read-as-user.ts", import.meta.url).pathname;

test("an ordinary user reads own files whatever their modes, and is told of those of others", () => {
  const place = scratchDirectory();
  chmodSync(place, 0o755);
  const root = join(place, "root");
  mkdirSync(root);
  const owner = process.geteuid?.() === 0 ? 65_534 : (process.geteuid?.() ?? 0);
  writeFileSync(join(root, "shadow"), "secret", { mode: 0o600 });
  linkSync(join(root, "shadow"), join(root, "link"));
  chownSync(join(root, "shadow"), owner, owner);
  chmodSync(join(root, "shadow"), 0o4000);
  chownSync(root, owner, owner);
  const read = (): unknown =>
    JSON.parse(execFileSync(process.execPath, [PROGRAM, root], { encoding: "utf8" }));
  expect(read()).toEqual({ contents: "secret" });
  expect(statSync(join(root, "shadow")).mode & 0o7777).toBe(0o4000);

  expect(existsSync(join(root, "other"))).toBe(false);
  writeFileSync(join(root, "other"), "x", { mode: 0o600 });
  if (owner !== 65_534) chmodSync(root, 0);
  expect(read()).toEqual({
    code: "ERR_STORE_IO",
    message: expect.stringMatching(/EACCES|EPERM/),
    hint: expect.stringContaining("Run as root"),
  });
  chmodSync(root, 0o755);
});
