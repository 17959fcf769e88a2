import { copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { blockRuns } from "../../src/ext4-reader/block-runs.ts";
import { descriptorOf, openVolume } from "../../src/ext4-reader/volume.ts";
import { importErrorOf } from "../support/import-error.ts";
import { verifyVolume } from "../../src/ext4-reader/verify/verify-volume.ts";
import { imageProblems } from "../support/ext4-check.ts";
import {
  debugfsWrite,
  edit,
  firstBlockOf,
  inodeOf,
  shareBranches,
  type BlockEdit,
} from "../support/ext4/damage-tools.ts";
import { writeImage } from "../support/ext4-image.ts";
import { scratchDirectory } from "../support/scratch.ts";
import { directory, file } from "../support/sound-image.ts";

const NEVER = new AbortController().signal;
const BLOCK = 4096;
const RECORD_TYPE = 7;

let work: string;
let soundPath: string;

beforeAll(() => {
  work = mkdtempSync(join(tmpdir(), "rootlift-damage-"));
  soundPath = join(work, "sound");
  const pieces = Buffer.from("stands for pieces");
  const shared = { "user.shared": Buffer.alloc(400, "s") };
  writeImage(
    soundPath,
    [
      { ...file("a", "a".repeat(3 * BLOCK)), mode: 0o644 },
      file("b", "b"),
      { ...file("small"), xattrs: { "user.small": Buffer.from("v") } },
      file("dir/x", "x"),
      file("dir/y", "y"),
      directory("dir/sub"),
      directory("other"),
      { path: "link", type: "symlink", target: "a target of 23 bytes..." },
      { path: "long-link", type: "symlink", target: "t".repeat(100) },
      { path: "null", type: "character", device: [1, 3] },
      { ...file("attributes-1"), xattrs: shared },
      { ...file("attributes-2"), xattrs: shared },
      file("pieces", pieces),
      ...Array.from({ length: 200 }, (_, n) => file(`many/${n}-`.padEnd(100, "x"), "")),
    ],
    {
      diskMib: 140,
      sparse: new Map([
        [
          pieces,
          {
            sizeBytes: 100 * BLOCK,
            segments: Array.from({ length: 10 }, (_, n) => ({
              block: 2 * n,
              content: Buffer.of(n),
            })),
          },
        ],
      ]),
    },
  );
});
afterAll(() => {
  rmSync(work, { recursive: true });
});

function copyOfImage(): string {
  const path = join(scratchDirectory(), "image");
  copyFileSync(soundPath, path);
  return path;
}

const damageOf = async (imagePath: string) =>
  (await verifyVolume(imagePath, { signal: NEVER })).damage;

test("the image that is damaged below is sound", async () => {
  expect(await damageOf(soundPath)).toEqual([]);
  expect(await imageProblems(soundPath)).toEqual([]);
});

/** Commands of debugfs; `{a}` is the first block of `/a`. */
const BY_DEBUGFS: readonly (readonly [string, readonly string[], object])[] = [
  [
    "a link count that is too high",
    ["sif /a links_count 7"],
    { what: "inode", path: "/a", problem: "it counts 7 links; there are 1" },
  ],
  [
    "a link count that is too low",
    ["ln /a /again"],
    { what: "inode", path: "/a", problem: "it counts 1 links; there are 2" },
  ],
  [
    "occupied blocks that do not add up",
    ["sif /a blocks 8"],
    { path: "/a", problem: "it says that it occupies 4096 bytes; its blocks have 12288" },
  ],
  [
    "a file with blocks behind its end",
    ["sif /a size 100"],
    { what: "block map", path: "/a", problem: "it has blocks behind its end at 100 bytes" },
  ],
  [
    "a file that claims to be a directory",
    ["sif /a mode 040755"],
    { what: "directory", path: "/a", problem: "it does not begin with itself" },
  ],
  [
    "a file with a time of deletion",
    ["sif /a dtime 12345"],
    { path: "/a", problem: "it is in use, but has a time of deletion" },
  ],
  ["a cleared inode", ["clri /a"], { path: "/a", problem: "it has no known type (mode 0)" }],
  [
    "an inode that is free in its bitmap",
    ["freei /a"],
    {
      what: "directory",
      path: "/",
      problem: expect.stringMatching(/^"a" leads to inode \d+, which is not in use$/),
    },
  ],
  [
    "an inode in use that nobody has",
    ["seti <300>"],
    { what: "inode", inode: 300, problem: "it is in use, but has no links" },
  ],
  [
    "a block in use that is free in its bitmap",
    ["freeb {a}"],
    {
      what: "block bitmap",
      path: "/a",
      problem: expect.stringMatching(/in group 0 block \d+ in use, but free/),
    },
  ],
  [
    "a block that nothing owns",
    ["setb 30000"],
    {
      what: "block bitmap",
      block: 30000,
      problem: "in group 0 block 30000 in use by nothing, but not free",
    },
  ],
  [
    "a block with two owners",
    ["sif /b bmap[0] {a}"],
    {
      what: "block map",
      path: "/b",
      problem: expect.stringMatching(/^its block \d+ is in use twice; also of inode \d+ \(\/a\)$/),
    },
  ],
  [
    "a block of a file in the inode table",
    ["sif /b bmap[0] {table}"],
    {
      what: "block map",
      path: "/b",
      problem: expect.stringMatching(/^its block \d+ is in use twice$/),
    },
  ],
  [
    "a file that lost its name",
    ["unlink /dir/x"],
    { what: "inode", problem: "no directory has a name for it" },
  ],
  [
    "a directory with two names",
    ["ln /dir/sub /second"],
    {
      what: "directory",
      path: "/dir",
      problem: expect.stringMatching(/^"sub" is a second name of the directory of inode \d+$/),
    },
  ],
  [
    "directories that lead in a circle",
    ["ln /dir /dir/sub/loop", "unlink /dir"],
    { what: "directory", problem: "its parents lead in a circle" },
  ],
  [
    "the superblock's free blocks",
    ["ssv free_blocks_count 1"],
    {
      what: "superblock",
      problem: expect.stringMatching(/^it counts 1 free blocks; \d+ are free/),
    },
  ],
  [
    "the superblock's free inodes",
    ["ssv free_inodes_count 1"],
    {
      what: "superblock",
      problem: expect.stringMatching(/^it counts 1 free inodes; \d+ are free/),
    },
  ],
  [
    "a group's free blocks",
    ["set_bg 0 free_blocks_count 1", "set_bg 0 checksum calc"],
    {
      what: "group descriptor",
      problem: expect.stringMatching(
        /^the descriptor of group 0 counts 1 free blocks; there are \d+$/,
      ),
    },
  ],
  [
    "a group's directories",
    ["set_bg 0 used_dirs_count 99", "set_bg 0 checksum calc"],
    {
      problem: expect.stringMatching(
        /^the descriptor of group 0 counts 99 directories; there are \d+$/,
      ),
    },
  ],
  [
    "a short link of another length",
    ["sif /link size 9"],
    { what: "inode", path: "/link", problem: "the target of the link has another length" },
  ],
  [
    "a long link of another length",
    ["sif /long-link size 90"],
    { what: "block map", path: "/long-link", problem: "the target of the link has another length" },
  ],
  [
    "attributes in a block that is none",
    ["sif /a file_acl {b}"],
    {
      what: "attributes",
      path: "/a",
      problem: expect.stringMatching(
        /^its attributes are in block \d+, which is in use twice; also of inode \d+ \(\/b\)$/,
      ),
    },
  ],
  [
    "attributes with a missing owner",
    ["sif /attributes-1 file_acl 0", "sif /attributes-1 blocks 8"],
    {
      what: "attributes",
      path: "/attributes-2",
      problem: "its block of attributes counts 2 inodes; 1 have it",
    },
  ],
  [
    "a root that is no directory",
    ["sif <2> mode 0100755"],
    { what: "inode", inode: 2, problem: "the root is not a directory" },
  ],
  [
    "extra fields beyond the inode",
    ["sif /a extra_isize 200"],
    { path: "/a", problem: "its extra fields have 200 bytes" },
  ],
  [
    "a device with contents",
    ["sif /null flags 0x80000"],
    { path: "/null", problem: "it is a character-device with extents" },
  ],
  [
    "a journal that is none",
    ["sif <8> mode 0"],
    { what: "journal", inode: 8, problem: "there is none" },
  ],
  [
    "tables of two groups at one place",
    ["set_bg 1 inode_table {table}", "set_bg 1 checksum calc"],
    {
      what: "group descriptor",
      problem: "the descriptor of group 1 has its inode table where something else lies",
    },
  ],
];

test.each(BY_DEBUGFS)("found, as e2fsck finds it: %s", async (_, commands, expected) => {
  const imagePath = copyOfImage();
  const places: Readonly<Record<string, number>> = {
    a: await firstBlockOf(imagePath, "/a"),
    b: await firstBlockOf(imagePath, "/b"),
    table: await tableBlock(imagePath),
  };
  await debugfsWrite(
    imagePath,
    commands.map((command) =>
      command.replaceAll(/\{(\w+)\}/g, (_match, name: string) => String(places[name])),
    ),
  );
  expect(await imageProblems(imagePath)).not.toEqual([]);
  expect(await damageOf(imagePath)).toContainEqual(expect.objectContaining(expected));
});

const UNSAID: readonly (readonly [string, readonly string[], object])[] = [
  [
    "errors that the kernel found",
    ["ssv state 2"],
    { what: "superblock", problem: "it says that the kernel found errors" },
  ],
  [
    "a list of orphans",
    ["ssv last_orphan 14"],
    { what: "superblock", problem: "it has a list of orphans" },
  ],
];

test.each(UNSAID)(
  "found, although e2fsck mends it without a word: %s",
  async (_, commands, expected) => {
    const imagePath = copyOfImage();
    await debugfsWrite(imagePath, commands);
    expect(await damageOf(imagePath)).toContainEqual(expect.objectContaining(expected));
  },
);

async function tableBlock(imagePath: string): Promise<number> {
  const volume = await openVolume(imagePath);
  await volume.file.close();
  return descriptorOf(volume, 0).inodeTable;
}

/** The record of a name in a directory block. */
function recordOf(block: Buffer, name: string): number {
  const at = block.indexOf(name, 0, "latin1");
  if (at === -1) throw new Error(`no ${name}`);
  return at - 8;
}

const BY_EDIT: readonly (readonly [string, BlockEdit, object])[] = [
  [
    "a name twice",
    { path: "/dir", block: 0, change: (block) => block.write("x", recordOf(block, "y") + 8) },
    { what: "directory", path: "/dir", problem: 'it has the name "x" twice' },
  ],
  [
    "a name with a slash",
    { path: "/dir", block: 0, change: (block) => block.write("/", recordOf(block, "y") + 8) },
    { path: "/dir", problem: 'it has the name "/", which cannot be' },
  ],
  [
    "a record of a wrong type",
    {
      path: "/dir",
      block: 0,
      change: (block) => void block.writeUInt8(2, recordOf(block, "y") + RECORD_TYPE),
    },
    { path: "/dir", problem: expect.stringMatching(/^"y" says directory of inode \d+, a file$/) },
  ],
  [
    "a record that ends nowhere",
    {
      path: "/dir",
      block: 0,
      change: (block) => void block.writeUInt16LE(9, recordOf(block, "x") + 4),
    },
    { path: "/dir", problem: "a record of it cannot be read: it is 9 bytes long" },
  ],
  [
    "a record longer than its block",
    {
      path: "/dir",
      block: 0,
      change: (block) => void block.writeUInt16LE(5000, recordOf(block, "x") + 4),
    },
    {
      path: "/dir",
      problem: expect.stringMatching(
        /^a record of it cannot be read: it is 5000 bytes long where \d+ are left$/,
      ),
    },
  ],
  [
    "a `..` that leads elsewhere",
    { path: "/dir/sub", block: 0, change: (block) => void block.writeUInt32LE(11, 12) },
    {
      what: "inode",
      path: "/dir/sub",
      problem: expect.stringMatching(/^its `\.\.` is inode 11; its name is in inode \d+$/),
    },
  ],
  [
    "a directory that does not begin with itself",
    { path: "/dir/sub", block: 0, change: (block) => void block.writeUInt32LE(2, 0) },
    { what: "directory", path: "/dir/sub", problem: "it does not begin with itself" },
  ],
  [
    "an index with two blocks changed over",
    { path: "/many", block: 0, change: swapIndexBlocks },
    { what: "directory", path: "/many", problem: "a name of it is where its index does not lead" },
  ],
  [
    "an index that names a block twice",
    {
      path: "/many",
      block: 0,
      change: (block) => void block.writeUInt32LE(block.readUInt32LE(0x24), 0x2c),
    },
    { path: "/many", problem: "its index names a block twice" },
  ],
  [
    "an index that leads out of its directory",
    { path: "/many", block: 0, change: (block) => void block.writeUInt32LE(999, 0x2c) },
    { path: "/many", problem: expect.stringMatching(/^its index leads to block 999 of \d+$/) },
  ],
  [
    "extents that overlap",
    { path: "/pieces", block: "map", change: (block) => void block.writeUInt32LE(0, 12 + 12) },
    { what: "block map", path: "/pieces", problem: "its extents overlap or are out of order" },
  ],
  [
    "an extent outside of the disk",
    {
      path: "/a",
      block: "inode",
      change: (inode) => void inode.writeUInt32LE(10_000_000, 0x28 + 12 + 8),
    },
    {
      what: "block map",
      path: "/a",
      problem: "its blocks 10000000 to 10000002 are not on the disk",
    },
  ],
  [
    "an extent without length",
    { path: "/a", block: "inode", change: (inode) => void inode.writeUInt16LE(0, 0x28 + 12 + 4) },
    { what: "block map", path: "/a", problem: "it has an extent of no blocks" },
  ],
  [
    "an extent tree whose block is no block of a tree",
    { path: "/pieces", block: "map", change: (block) => void block.writeUInt16LE(0, 0) },
    {
      what: "block map",
      path: "/pieces",
      problem: "a block of its extent tree has no extent header",
    },
  ],
  [
    "an attribute with a wrong hash",
    {
      path: "/small",
      block: "inode",
      change: (inode) => void inode.writeUInt32LE(1, 0xa4 + 12),
    },
    { what: "attributes", path: "/small", problem: "it has an attribute with a wrong hash" },
  ],
];

function swapIndexBlocks(block: Buffer): void {
  const [first, second] = [block.readUInt32LE(0x24), block.readUInt32LE(0x2c)];
  block.writeUInt32LE(second, 0x24);
  block.writeUInt32LE(first, 0x2c);
}

test.each(BY_EDIT)(
  "found although all checksums hold, as e2fsck finds it: %s",
  async (_, change, expected) => {
    const imagePath = copyOfImage();
    await edit(imagePath, change);
    expect(await imageProblems(imagePath)).not.toEqual([]);
    expect(await damageOf(imagePath)).toContainEqual(expect.objectContaining(expected));
  },
);

test("an extent tree that leads to itself ends", async () => {
  const imagePath = copyOfImage();
  const { bytes } = await inodeOf(imagePath, "/pieces");
  const child = bytes.readUInt32LE(0x28 + 12 + 4);
  await edit(imagePath, {
    path: "/pieces",
    block: "map",
    change: (block) => {
      block.writeUInt16LE(4, 6);
      for (let slot = 0; slot < 340; slot++) {
        block.writeUInt32LE(slot, 12 + slot * 12);
        block.writeUInt32LE(child, 12 + slot * 12 + 4);
        block.writeUInt32LE(0, 12 + slot * 12 + 8);
      }
      block.writeUInt16LE(340, 2);
    },
  });
  await edit(imagePath, {
    path: "/pieces",
    block: "inode",
    change: (inode) => void inode.writeUInt16LE(5, 0x28 + 6),
  });
  const damage = await damageOf(imagePath);
  expect(damage).toContainEqual(
    expect.objectContaining({ path: "/pieces", problem: expect.stringMatching(/in use twice/) }),
  );
});

test.each(["/pieces", "/dir", "<8>"])(
  "an extent tree whose branches share their blocks is read once: %s",
  async (path) => {
    const imagePath = copyOfImage();
    await shareBranches(imagePath, path, { firstBlock: 25_000, levels: 5 });
    const damage = await damageOf(imagePath);
    expect(damage).toContainEqual(
      expect.objectContaining({
        problem: expect.stringMatching(/^its block 2500\d is in use twice/),
      }),
    );
    const volume = await openVolume(imagePath);
    const inode = await inodeOf(imagePath, path);
    expect(importErrorOf(() => [...blockRuns(volume, inode)]).code).toBe("ERR_SNAPSHOT_DAMAGED");
    await volume.file.close();
  },
);

test("the report of a kind of part ends after a hundred, the count goes on", async () => {
  const imagePath = copyOfImage();
  await debugfsWrite(imagePath, [
    "sif /many mode 0100644",
    ...Array.from({ length: 3 }, (_, n) => `sif <${n + 20}> links_count 9`),
  ]);
  const report = await verifyVolume(imagePath, { signal: NEVER });
  const inodes = report.damage.filter(({ what }) => what === "inode");
  expect(inodes).toHaveLength(100);
  expect(report.damageCount).toBeGreaterThan(200);
});
