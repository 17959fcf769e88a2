import { randomBytes } from "node:crypto";
import { closeSync, openSync, readFileSync, readSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { ext4Geometry, hasBackup } from "../../../src/sink/ext4/geometry.ts";
import { writeImage } from "../../support/ext4-image.ts";
import { importErrorOf } from "../../support/import-error.ts";
import { mustRun } from "../../support/run-program.ts";
import {
  debugfs,
  directory,
  faithfulImage,
  file,
  MTIME,
  soundImage,
} from "../../support/sound-image.ts";
import { scratchDirectory } from "../../support/scratch.ts";
import type { TreeEntry } from "../../support/tree-builder.ts";
import { CAPABILITY } from "../../support/xattr-values.ts";

const EVERYTHING: readonly TreeEntry[] = [
  directory("", { mode: 0o711, uid: 7, gid: 8 }),
  directory("etc"),
  file("etc/hostname", "demo\n"),
  { path: "etc/hard", type: "hardlink", target: "etc/hostname" },
  { path: "hard-too", type: "hardlink", target: "etc/hostname" },
  file("empty", ""),
  file("one-block", Buffer.alloc(4096, "1")),
  { ...file("big", randomBytes(3_000_000)), mode: 0o4755, uid: 100_000, gid: 70_000 },
  { ...file("owner", "x"), uid: 2 ** 32 - 2, gid: 2 ** 32 - 2, mode: 0o7777 },
  ...[1, 58, 59, 60, 61, 4095].map((length): TreeEntry => ({
    path: `symlink-${length}`,
    type: "symlink",
    target: "/target".repeat(600).slice(0, length),
    mtime: MTIME,
  })),
  { path: "null", type: "character", mode: 0o666, device: [1, 3], mtime: MTIME },
  { path: "large-device", type: "block", mode: 0o660, device: [259, 70_000], mtime: MTIME, gid: 6 },
  { path: "largest-device", type: "character", device: [4095, 1_048_575], mtime: MTIME },
  { path: "fifo", type: "fifo", mode: 0o600, mtime: MTIME },
  { ...file("capability", "ping"), xattrs: { "security.capability": CAPABILITY } },
  {
    path: "link-with-attribute",
    type: "symlink",
    target: "x",
    mtime: MTIME,
    xattrs: { "security.note": Buffer.alloc(500, "n") },
  },
  {
    path: "null-with-attribute",
    type: "character",
    device: [1, 5],
    mtime: MTIME,
    xattrs: { "security.note": Buffer.alloc(200, "n") },
  },
  directory("attributes", { xattrs: { "user.small": Buffer.from("s"), "user.none": Buffer.of() } }),
  file("n".repeat(255)),
  file("\xff\xfe not UTF-8 \x80\n\t'\""),
  file("m\xc3\xbcsli"),
  directory(Array.from({ length: 60 }, () => "d".repeat(40)).join("/")),
];

test("a tree of everything is the same through the kernel", async () => {
  const { result } = await faithfulImage(EVERYTHING, { diskMib: 64 });
  expect(result.omissions).toEqual([]);
});

test("an empty tree is a root with lost+found", async () => {
  const { result } = await faithfulImage([]);
  expect(result.inodes).toBe(11);
});

test.each([2, 4, 8, 16, 128, 129, 1000, 10_240, 10_241, 40_000])(
  "a disk of %i MiB is sound, and its copies are those of the superblock",
  async (diskMib) => {
    const { path, result } = await soundImage([file("etc/a"), file("b", Buffer.alloc(99_999))], {
      diskMib,
    });
    const said = await mustRun("dumpe2fs", [path]);
    expect(said).not.toContain("EXPECTED");
    expect(said).toContain(`\nBlock count:              ${result.blocks}\n`);
    expect(said).toContain(`\nFree blocks:              ${result.blocks - result.usedBlocks}\n`);
    const image = openSync(path, "r");
    onTestFinished(() => closeSync(image));
    const read = (position: number, length: number): Buffer => {
      const bytes = Buffer.alloc(length);
      readSync(image, bytes, 0, length, position);
      return bytes;
    };
    const { groups, descriptorBlocks } = ext4Geometry(diskMib * 2 ** 20);
    const primary = read(1024, 0x3fc);
    for (let group = 1; group < groups; group++) {
      if (!hasBackup(group)) continue;
      const start = group * 32_768 * 4096;
      const copy = read(start, 0x3fc);
      expect(copy.readUInt16LE(0x5a)).toBe(group);
      copy.writeUInt16LE(0, 0x5a);
      expect(copy.equals(primary)).toBe(true);
      const length = descriptorBlocks * 4096;
      expect(read(start + 4096, length).equals(read(4096, length))).toBe(true);
      const place = ["-o", `superblock=${group * 32_768}`, "-o", "blocksize=4096"];
      expect(await mustRun("dumpe2fs", ["-h", ...place, path])).toContain("\nInode count: ");
    }
  },
  120_000,
);

test("features, times and identity are what tune2fs shows", async () => {
  const { path } = await soundImage([file("a")], { diskMib: 200 });
  const said = await mustRun("tune2fs", ["-l", path]);
  const shown = Object.fromEntries(
    [...said.matchAll(/^([A-Z][^:]+):\s+(.*?) *$/gm)].map(([, name = "", value = ""]) => [
      name,
      value,
    ]),
  );
  expect(shown).toMatchObject({
    "Filesystem volume name": "rootlift",
    "Last mounted on": "<not available>",
    "Filesystem UUID": "6a1c1d7e-0000-4000-8000-000000000001",
    "Filesystem features":
      "has_journal ext_attr dir_index filetype extent 64bit flex_bg sparse_super large_file huge_file dir_nlink extra_isize metadata_csum",
    "Filesystem flags": "signed_directory_hash",
    "Default mount options": "user_xattr acl",
    "Filesystem state": "clean",
    "Errors behavior": "Continue",
    "Reserved block count": "0",
    "Block size": "4096",
    "Group descriptor size": "64",
    "Flex block group size": "16",
    "Filesystem created": "Tue Nov 14 22:13:20 2023",
    "Last mount time": "n/a",
    "Last write time": "Tue Nov 14 22:13:20 2023",
    "Last checked": "Tue Nov 14 22:13:20 2023",
    "Mount count": "0",
    "Maximum mount count": "-1",
    "Inode size": "256",
    "Required extra isize": "32",
    "Desired extra isize": "32",
    "Journal inode": "8",
    "Default directory hash": "half_md4",
    "Directory Hash Seed": "6a1c1d7e-0000-4000-8000-000000000002",
    "Journal backup": "inode blocks",
    "Checksum type": "crc32c",
  });
});

test("a preening e2fsck changes nothing but the times of its check", async () => {
  const { path } = await soundImage(EVERYTHING, { diskMib: 64 });
  const before = readFileSync(path);
  await mustRun("e2fsck", ["-fp", path]);
  const after = readFileSync(path);
  for (const image of [before, after]) {
    // Write time, mount count, last check, kilobytes written, and the checksum.
    for (const [at, length] of [
      [0x30, 8],
      [0x40, 4],
      [0x178, 8],
      [0x274, 4],
      [0x3fc, 4],
    ] as const) {
      image.fill(0, 1024 + at, 1024 + at + length);
    }
  }
  expect(after.equals(before)).toBe(true);
});

test("the same tree gives the same bytes, in whatever order it was merged", () => {
  const scratch = scratchDirectory();
  const many = Array.from({ length: 700 }, (_, n) => file(`many/${n}-${"x".repeat(n % 60)}`, ""));
  // Bodies are placed in the order of the entries: here there are none.
  const bodiless = EVERYTHING.filter(({ type }) => type !== "file" && type !== "hardlink");
  const entries = [...bodiless, ...many];
  const images = [entries, entries, entries.toReversed()].map((list, at) => {
    const path = join(scratch, `${at}.ext4`);
    writeImage(path, list, { diskMib: 64 });
    return readFileSync(path);
  });
  expect(images[1]?.equals(images[0] ?? Buffer.of())).toBe(true);
  expect(images[2]?.equals(images[0] ?? Buffer.of())).toBe(true);
});

test("identity makes the difference, and only where it is", () => {
  const scratch = scratchDirectory();
  const [one, two] = ["one", "two"].map((label) => {
    const path = join(scratch, label);
    writeImage(path, [file("a")], { identity: { label } });
    return readFileSync(path);
  });
  expect(one?.subarray(2048).equals(two?.subarray(2048) ?? Buffer.of())).toBe(true);
  expect(one?.equals(two ?? Buffer.of())).toBe(false);
});

test("a label of more than 16 bytes is refused", () => {
  const path = join(scratchDirectory(), "a");
  const error = importErrorOf(() => writeImage(path, [], { identity: { label: "ä".repeat(9) } }));
  expect(error.code).toBe("ERR_OPTION_INVALID");
});

test("a cancelled import ends with ERR_CANCELLED", () => {
  const path = join(scratchDirectory(), "a");
  const error = importErrorOf(() =>
    writeImage(path, [file("a")], { changed: (input) => ({ ...input, isCancelled: () => true }) }),
  );
  expect(error.code).toBe("ERR_CANCELLED");
  expect(readFileSync(path).subarray(1024, 2048).equals(Buffer.alloc(1024))).toBe(true);
});

test("what no body of the tree uses is nowhere in the image", async () => {
  const entries = Array.from({ length: 20 }, (_, n) => file(`f${n}`, Buffer.alloc(5000, "kept")));
  const { path, result } = await faithfulImage(entries, { gapBlocks: 3 });
  expect(readFileSync(path).includes("secret")).toBe(false);
  const { result: dense } = await soundImage(entries);
  expect(result.usedBlocks).toBe(dense.usedBlocks);
});

test("a lost+found of the image keeps owner, mode and content, and has inode 11", async () => {
  const { path } = await faithfulImage([
    directory("lost+found", { mode: 0o755, uid: 5 }),
    file("lost+found/found"),
    file("elsewhere/lost+found/ordinary"),
  ]);
  expect(await debugfs(path, "stat lost+found")).toMatch(/Inode: 11 .*\n.*\nUser: +5 /);
  expect(await debugfs(path, "stat lost+found")).toContain("Size: 16384");
});

test.each<TreeEntry>([
  file("lost+found"),
  { path: "lost+found", type: "symlink", target: "etc", mtime: MTIME },
])("a lost+found that is a $type stays one, and inode 11 stays free", async (entry) => {
  const { path, result } = await faithfulImage([entry, file("etc/a")]);
  expect(await debugfs(path, "testi <11>")).toContain("Inode 11 is not in use");
  expect(result.inodes).toBe(10 + 3);
});

test("a lost+found that is a hard link of an earlier name stays one", async () => {
  const link = { path: "a", type: "hardlink", target: "lost+found" } as const;
  const { result } = await faithfulImage([file("lost+found"), link]);
  expect(result.inodes).toBe(10 + 1);
});

test("bodies around the backup of group 1 are in several extents, and whole", async () => {
  const entries = [file("a", randomBytes(127 * 2 ** 20)), file("b", randomBytes(3 * 2 ** 20))];
  const { path } = await faithfulImage(entries, { diskMib: 200 });
  const extents = await debugfs(path, "ex b");
  expect(extents.match(/32767/)).not.toBeNull();
  expect(extents.match(/32898/)).not.toBeNull();
});

test("journal and directories may lie around the backup of group 1 too", async () => {
  const entries = [
    file("a", Buffer.alloc(124 * 2 ** 20, "a")),
    ...Array.from({ length: 3000 }, (_, n) => file(`names/${n}`.padEnd(200, "-"), "")),
  ];
  const { path } = await soundImage(entries, { diskMib: 200 });
  expect((await debugfs(path, "ex <8>")).split("\n").length).toBeGreaterThan(3);
});
