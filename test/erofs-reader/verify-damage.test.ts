import {
  copyFileSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { ErofsInode } from "../../src/erofs-reader/inode.ts";
import { verifyErofs } from "../../src/erofs-reader/verify/verify-erofs.ts";
import { editImage, editSuperblock, erofsInodeOf, makeErofs } from "../support/erofs/make-erofs.ts";
import { bytesAt } from "../support/damaged-image.ts";
import { setRawXattr } from "../support/read-directory.ts";
import { mustRun } from "../support/run-program.ts";
import { scratchDirectory } from "../support/scratch.ts";
import { MINIMAL_ACL } from "../support/xattr-values.ts";

const NEVER = new AbortController().signal;
const BLOCK = 4096;

let work: string;
let soundPath: string;

beforeAll(async () => {
  work = mkdtempSync(join(tmpdir(), "rootlift-erofs-damage-"));
  soundPath = join(work, "sound");
  const tree = join(work, "tree");
  mkdirSync(join(tree, "dir/sub"), { recursive: true });
  mkdirSync(join(tree, "many"));
  writeFileSync(join(tree, "a"), Buffer.alloc(3 * BLOCK, "a"));
  writeFileSync(join(tree, "b"), Buffer.alloc(3 * BLOCK, "b"));
  writeFileSync(join(tree, "small"), "small");
  writeFileSync(join(tree, "dir/x"), "x");
  writeFileSync(join(tree, "dir/y"), "y");
  symlinkSync("dir/x", join(tree, "link"));
  symlinkSync("t".repeat(4095), join(tree, "long-link"));
  linkSync(join(tree, "a"), join(tree, "dir/again"));
  await mustRun("mkfifo", [join(tree, "fifo")]);
  for (const name of ["a", "b"]) setRawXattr(join(tree, name), "user.shared", Buffer.alloc(300));
  setRawXattr(join(tree, "small"), "user.small", Buffer.from("value"));
  setRawXattr(join(tree, "dir"), "system.posix_acl_default", MINIMAL_ACL);
  for (let n = 0; n < 200; n++) writeFileSync(join(tree, `many/${n}-`.padEnd(100, "x")), "");
  await makeErofs(soundPath, tree, ["-Eforce-inode-extended", "-x1", "--chunksize=4096"]);
});
afterAll(() => {
  rmSync(work, { recursive: true });
});

/** What is wrong after some change to a copy of the sound image, one line each. */
async function damageAfter(
  change: (imagePath: string) => void | Promise<void>,
): Promise<readonly string[]> {
  const imagePath = join(scratchDirectory(), "image");
  copyFileSync(soundPath, imagePath);
  await change(imagePath);
  const { damage, damageCount } = await verifyErofs(imagePath, { signal: NEVER });
  expect(damageCount).toBe(damage.length);
  return damage.map(({ what, path = "", problem }) => `${what} ${path}: ${problem}`);
}

/** A change of some bytes, counted from the inode's first. */
function inodeBytes(path: string, offset: number, bytes: readonly number[] | Buffer) {
  return async (imagePath: string): Promise<void> => {
    const { at } = await erofsInodeOf(imagePath, path);
    editImage(imagePath, at + offset, Buffer.from(bytes));
  };
}

const u16 = (value: number): Buffer => {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16LE(value);
  return bytes;
};
const u32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
};

/** Where a directory's bytes lie; it is one block, or behind its inode. */
function listAt({ contents }: ErofsInode): number {
  if (contents.kind !== "flat") throw new Error("the directory is in chunks");
  return contents.blocks > 0 ? contents.start * BLOCK : contents.tailAt;
}

/** A change of the record of a name: its position and the name's. */
function record(
  directory: string,
  name: string,
  change: (position: number, nameAt: number, bytes: Buffer) => readonly [number, Uint8Array],
) {
  return async (imagePath: string): Promise<void> => {
    const inode = await erofsInodeOf(imagePath, directory);
    const at = listAt(inode);
    const bytes = bytesAt(imagePath, at, Math.min(BLOCK, inode.sizeBytes));
    const count = bytes.readUInt16LE(8) / 12;
    for (let index = 0; index < count; index++) {
      const nameAt = bytes.readUInt16LE(index * 12 + 8);
      const end = index + 1 < count ? bytes.readUInt16LE(index * 12 + 20) : bytes.length;
      if (bytes.toString("latin1", nameAt, end) !== name) continue;
      const [position, changed] = change(at + index * 12, at + nameAt, bytes);
      editImage(imagePath, position, changed);
      return;
    }
    throw new Error(`${directory} has no ${name}`);
  };
}

test("the sound image is sound", async () => {
  expect(await damageAfter(() => undefined)).toEqual([]);
});

test.each([
  [
    "a link count",
    inodeBytes("/small", 44, u32(2)),
    ["inode /small: it counts 2 links; there are 1"],
  ],
  [
    "no links",
    inodeBytes("/small", 44, u32(0)),
    ["inode /small: it has no links", "inode /small: it counts 0 links; there are 1"],
  ],
  [
    "the link count of a directory",
    inodeBytes("/dir", 44, u32(2)),
    ["inode /dir: it counts 2 links; there are 3"],
  ],
  [
    "no type",
    inodeBytes("/small", 4, u16(0o644)),
    ["inode /small: it has no known type (mode 644)"],
  ],
  [
    "another type than its name says",
    inodeBytes("/fifo", 4, u16(0o140644)),
    ["inode /fifo: its name says fifo; it is a socket"],
  ],
  ["a FIFO with bytes", inodeBytes("/fifo", 8, u32(5)), ["inode /fifo: it is a fifo of 5 bytes"]],
  [
    "a form of no kind",
    inodeBytes("/small", 0, [0x15]),
    ["inode /small: it has a form of no known kind (21)"],
  ],
  [
    "a compressed file",
    inodeBytes("/small", 0, [7]),
    ["inode /small: it is compressed, in an image that is not"],
  ],
  [
    "a layout of no kind",
    inodeBytes("/small", 0, [13]),
    ["inode /small: it has its contents in a form of no known kind (6)"],
  ],
  [
    "chunks of no kind",
    inodeBytes("/a", 16, u32(0x40)),
    ["inode /a: it has chunks of a form of no known kind (64)"],
  ],
  [
    "a size without end",
    inodeBytes("/a", 8, [0, 0, 0, 0, 0, 0, 1, 0]),
    ["inode /a: it has 281474976710656 bytes"],
  ],
  [
    "a map that leaves the image",
    inodeBytes("/a", 8, [0, 0, 0, 0, 1, 0, 0, 0]),
    ["inode /a: it goes on behind the end of the image"],
  ],
  [
    "a time that is none",
    inodeBytes("/small", 40, u32(1_000_000_000)),
    ["inode /small: it has a time with 1000000000 nanoseconds"],
  ],
  [
    "a tail over the end of its block",
    inodeBytes("/dir", 8, u32(4090)),
    [
      "inode /dir: it has contents behind it that go on in another block",
      // One of its names was in that directory.
      "inode /a: it counts 2 links; there are 1",
    ],
  ],
  [
    "a link that is too long",
    inodeBytes("/long-link", 8, u32(8190)),
    ["inode /long-link: it is a link of 8190 bytes"],
  ],
  [
    "a link without target",
    inodeBytes("/link", 8, u32(0)),
    ["inode /link: it is a link of 0 bytes"],
  ],
  [
    "attributes of no form",
    inodeBytes("/small", 2, u16(1)),
    ["inode /small: it has attributes of no known form"],
  ],
  [
    "attributes that run into what follows",
    inodeBytes("/small", 2, u16(4)),
    expect.arrayContaining([
      "attributes /small: it has an attribute that goes on behind its place",
    ]),
  ],
  [
    "an attribute of no kind",
    inodeBytes("/small", 64 + 12 + 1, [9]),
    ["attributes /small: it has an attribute of no known kind (9)"],
  ],
  [
    "shared attributes without room",
    inodeBytes("/small", 64 + 4, [200]),
    ["attributes /small: it has shared attributes that go on behind its place for attributes"],
  ],
  [
    "a shared attribute that is not there",
    inodeBytes("/a", 64 + 12, u32(0xffffffff)),
    ["attributes /a: it has an attribute that goes on behind its place"],
  ],
  [
    "an ACL of another form",
    inodeBytes("/dir", 64 + 12 + 4, u32(1)),
    ["attributes /dir: it has an ACL that is none"],
  ],
] as const)("found: %s", async (_, change, expected) => {
  expect(await damageAfter(change)).toEqual(expected);
});

test.each([
  [
    "a name out of order",
    record("/dir", "x", (_, nameAt) => [nameAt, Buffer.from("z")]),
    ['directory /dir: its name "y" is out of order'],
  ],
  [
    "a name that is there twice",
    record("/dir", "y", (_, nameAt) => [nameAt, Buffer.from("x")]),
    ['directory /dir: it has the name "x" twice'],
  ],
  [
    "a name with a slash",
    record("/dir", "y", (_, nameAt) => [nameAt, Buffer.from("/")]),
    expect.arrayContaining(['directory /dir: it has the name "/", which cannot be']),
  ],
  [
    "no way up",
    record("/dir", "..", (_, nameAt) => [nameAt, Buffer.from(".-")]),
    expect.arrayContaining(["directory /dir: it does not lead to its parent"]),
  ],
  [
    "no way to itself",
    record("/dir", ".", (position) => [position, u32(1000)]),
    ["directory /dir: its `.` is inode 1000"],
  ],
  [
    "another way up",
    record("/dir", "..", (position) => [position, u32(1000)]),
    [
      expect.stringMatching(
        /^directory \/dir: its `\.\.` is inode 1000; its name is in inode \d+$/,
      ),
    ],
  ],
  [
    "another type",
    record("/dir", "x", (position) => [position + 10, Buffer.of(2)]),
    expect.arrayContaining(["inode /dir/x: its name says directory; it is a file"]),
  ],
  [
    "an inode that is not in the image",
    record("/dir", "x", (position) => [position, Buffer.alloc(8, 0xff)]),
    expect.arrayContaining(["inode /dir/x: it is not in the image"]),
  ],
  [
    "names that begin nowhere",
    record("/dir", ".", (position) => [position + 8, u16(5)]),
    expect.arrayContaining([
      expect.stringMatching(
        /^directory \/dir: it cannot be read: the names of a block begin at byte 5 of/,
      ),
    ]),
  ],
  [
    "a name before the one before",
    record("/dir", "x", (position) => [position + 8, u16(13)]),
    expect.arrayContaining([
      expect.stringMatching(/^directory \/dir: it cannot be read: a name of it lies/),
    ]),
  ],
])("found in a directory: %s", async (_, change, expected) => {
  expect(await damageAfter(change)).toEqual(expected);
});

test("a directory with two names, and one that holds itself, are named and looked at once", async () => {
  const { number: dir } = await erofsInodeOf(soundPath, "/dir");
  const again = record("/dir", "sub", (position) => [position, u32(dir)]);
  expect(await damageAfter(again)).toEqual(
    expect.arrayContaining([
      `directory /dir: "sub" is a second name of the directory of inode ${dir}`,
    ]),
  );
  const { number: root } = await erofsInodeOf(soundPath, "/");
  const toRoot = record("/dir", "sub", (position) => [position, u32(root)]);
  expect(await damageAfter(toRoot)).toEqual(
    expect.arrayContaining(['directory /dir: "sub" leads to the root']),
  );
});

/** Writes block addresses into the map of a file. */
function chunk(path: string, index: number, block: number) {
  return async (imagePath: string): Promise<void> => {
    const { contents } = await erofsInodeOf(imagePath, path);
    if (contents.kind !== "chunks") throw new Error(`${path} is not in chunks`);
    const at = contents.mapAt + index * contents.entryBytes + (contents.entryBytes - 4);
    editImage(imagePath, at, u32(block));
  };
}

async function firstChunk(path: string): Promise<number> {
  const { contents } = await erofsInodeOf(soundPath, path);
  if (contents.kind !== "chunks") throw new Error(`${path} is not in chunks`);
  return bytesAt(soundPath, contents.mapAt + contents.entryBytes - 4, 4).readUInt32LE(0);
}

test("a chunk that is not in the image is damage; one of another file and a hole are not", async () => {
  expect(await damageAfter(chunk("/a", 1, 0xfffffff0))).toEqual([
    expect.stringMatching(
      /^block map \/(a|dir\/again): it has a chunk from block 4294967280 on; the image has \d+$/,
    ),
  ]);
  expect(await damageAfter(chunk("/a", 1, 0xffffffff))).toEqual([]);
  expect(await damageAfter(chunk("/a", 1, await firstChunk("/b")))).toEqual([]);
});

test("contents where metadata is are damage, with the names of both", async () => {
  const { at } = await erofsInodeOf(soundPath, "/many");
  const damage = await damageAfter(chunk("/b", 1, Math.floor(at / BLOCK)));
  expect(damage[0]).toMatch(
    /^block map \/b: its block \d+ is in use for something else; also of inode \d+ \(\/.*\)/,
  );
  expect(damage).toHaveLength(1);
});

test("an inode inside of another is damage", async () => {
  const { number } = await erofsInodeOf(soundPath, "/a");
  const second = record("/dir", "x", (position) => [position, u32(number + 1)]);
  expect((await damageAfter(second)).join("\n")).toMatch(/inode \/dir\/x: it /);
});

test("a count of inodes, and numbers that contradict each other", async () => {
  const { inodes } = await verifyErofs(soundPath, { signal: NEVER });
  expect(
    await damageAfter((path) => editSuperblock(path, (it) => it.writeUInt32LE(7, 16))),
  ).toEqual([`superblock : it counts 7 inodes; names lead to ${inodes}`]);
  expect(
    await damageAfter((path) => editSuperblock(path, (it) => it.writeUInt32LE(2 ** 31, 40))),
  ).toEqual([expect.stringContaining("its metadata begin at block 2147483648 of ")]);
  expect(
    await damageAfter((path) => editSuperblock(path, (it) => it.writeUInt16LE(9, 14))),
  ).toEqual(expect.arrayContaining([expect.stringMatching(/^inode \/: it /)]));
});

test("the report ends after a hundred, the count goes on", async () => {
  const imagePath = join(scratchDirectory(), "image");
  copyFileSync(soundPath, imagePath);
  for (let n = 0; n < 200; n++) {
    const { at } = await erofsInodeOf(imagePath, `/many/${n}-`.padEnd(101, "x"));
    editImage(imagePath, at + 44, u32(9));
  }
  const report = await verifyErofs(imagePath, { signal: NEVER });
  expect([report.damage.length, report.damageCount]).toEqual([100, 200]);
});
