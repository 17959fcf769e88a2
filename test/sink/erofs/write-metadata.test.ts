import { lstatSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { writeErofsMetadata } from "../../../src/sink/erofs/write-metadata.ts";
import { checkErofs } from "../../support/erofs-check.ts";
import {
  EPOCH_SECONDS,
  writeErofsImage,
  type ErofsImageOptions,
  type WrittenErofs,
} from "../../support/erofs-image.ts";
import { expectedRows } from "../../support/ext4-tree-rows.ts";
import { importErrorOf } from "../../support/import-error.ts";
import { checksumProblems } from "../../support/checksum-problems.ts";
import { withMounted } from "../../support/loop-mount.ts";
import { rootRows, rowDifferences } from "../../support/root-rows.ts";
import { mustRun } from "../../support/run-program.ts";
import { scratchDirectory } from "../../support/scratch.ts";
import { buildTree, type TreeEntry } from "../../support/tree-builder.ts";
import { ACL, CAPABILITY, MINIMAL_ACL } from "../../support/xattr-values.ts";

const GIB = 2 ** 30;

interface Image extends WrittenErofs {
  readonly path: string;
}

/** An image that fsck.erofs likes. */
async function soundImage(
  entries: readonly TreeEntry[],
  options: ErofsImageOptions = {},
): Promise<Image> {
  const path = join(scratchDirectory(), "image");
  const written = writeErofsImage(path, entries, options);
  await checkErofs(path);
  return { ...written, path };
}

/** The kernel's rows of a sound image that are not those of the tree. */
async function differences(
  entries: readonly TreeEntry[],
  options: ErofsImageOptions = {},
): Promise<readonly string[]> {
  const { path, tree, contents } = await soundImage(entries, options);
  const rows = await withMounted(path, "erofs", (root) => rootRows(root, { withRoot: true }));
  const expected = expectedRows(tree, contents);
  expect(rows.length).toBe(expected.length);
  return rowDifferences(rows, expected);
}

function file(path: string, content: Uint8Array, more: Partial<TreeEntry> = {}): TreeEntry {
  return { path, type: "file", content, ...more };
}

function link(length: number, more: Partial<TreeEntry> = {}): TreeEntry {
  const path = `link-${length}${more.path ?? ""}`;
  return { type: "symlink", target: "/target".repeat(600).slice(0, length), ...more, path };
}

test("an empty tree is a root, and any kernel with EROFS reads it", async () => {
  const { path, image, result } = await soundImage([]);
  expect(result.blocks).toBe(2);
  expect(image.readUInt32LE(1024 + 80)).toBe(0);
  const said = await mustRun("dump.erofs", ["-s", path]);
  expect(said).toMatch(/inode count: +1\n/);
  expect(said).toMatch(/features: +sb_csum mtime *\n/);
  await withMounted(path, "erofs", (root) => {
    expect(statSync(root)).toMatchObject({ nlink: 2, mode: 0o40755, uid: 0 });
  });
});

test("links of every length come out, behind their inodes or in blocks of their own", async () => {
  const lengths = [1, 59, 60, 4000, 4031, 4032, 4033, 4095];
  const xattrs = { "security.x": Buffer.alloc(2000, "x") };
  const entries = lengths.flatMap((length) => [link(length), link(length, { path: "x", xattrs })]);
  expect(await differences(entries)).toEqual([]);
});

test("owners, times, sizes and links beyond 16 and 32 bits come out", async () => {
  const attributes = { uid: 2 ** 32 - 2, gid: 70_000, mode: 0o6751 };
  const entries: TreeEntry[] = [
    { path: "", type: "directory", mtime: [-1, 1], ...attributes },
    // ext4 holds neither.
    file("early", Buffer.from("e"), { mtime: [-(10 ** 11), 999_999_999] }),
    file("late", Buffer.from("l"), { mtime: [10 ** 12, 1] }),
    file("many", Buffer.from("m"), attributes),
    ...Array.from({ length: 300 }, (_, n): TreeEntry => ({
      path: `names/${n}`,
      type: "hardlink",
      target: "many",
    })),
    { path: "dev/large", type: "block", device: [4095, 1_048_575] },
    { path: "dev/small", type: "character", device: [0, 0] },
    { path: "fifo", type: "fifo", ...attributes },
  ];
  expect(await differences(entries)).toEqual([]);
});

test("a socket stays one", async () => {
  const path = join(scratchDirectory(), "image");
  writeErofsImage(path, [{ path: "socket", type: "fifo" }], {
    changeTree: ({ modes }) => {
      modes[1] = 0o140755;
    },
  });
  await checkErofs(path);
  await withMounted(path, "erofs", (root) => {
    expect(lstatSync(join(root, "socket")).isSocket()).toBe(true);
  });
});

test("attributes of any size are read back, also over several blocks", async () => {
  const entries: TreeEntry[] = [0, 1, 3, 100, 4000, 5000, 20_000, 65_535].map((length) =>
    file(`${length}`, Buffer.from("x"), {
      xattrs: {
        [`user.${"n".repeat(length % 250)}a`]: Buffer.alloc(length, "v"),
        "security.capability": CAPABILITY,
        "trusted.t": Buffer.from("t"),
      },
    }),
  );
  entries.push(
    { path: "dir", type: "directory", xattrs: { "user.d": Buffer.alloc(4030) } },
    { path: "dir/in", type: "fifo", xattrs: { "security.x": Buffer.alloc(4096) } },
  );
  expect(await differences(entries)).toEqual([]);
});

test("ACLs are the kernel's, and an access ACL decides the permissions", async () => {
  const access = { "system.posix_acl_access": ACL };
  const entries: TreeEntry[] = [
    file("acl", Buffer.from("x"), { mode: 0o4777, xattrs: access }),
    file("minimal", Buffer.from("x"), { xattrs: { "system.posix_acl_access": MINIMAL_ACL } }),
    {
      path: "dir",
      type: "directory",
      xattrs: { ...access, "system.posix_acl_default": MINIMAL_ACL },
    },
  ];
  const { path, result } = await soundImage(entries);
  expect(result.omissions).toEqual([]);
  await withMounted(path, "erofs", async (root) => {
    expect(statSync(join(root, "acl")).mode).toBe(0o104650);
    expect(statSync(join(root, "minimal")).mode).toBe(0o100714);
    const said = await mustRun(
      "getfattr",
      ["-d", "-m", "-", "-e", "hex", "dir", "acl", "minimal"],
      {
        cwd: root,
      },
    );
    expect(said.trim().split("\n")).toEqual([
      "# file: dir",
      `system.posix_acl_access=0x${ACL.toString("hex")}`,
      `system.posix_acl_default=0x${MINIMAL_ACL.toString("hex")}`,
      "",
      "# file: acl",
      `system.posix_acl_access=0x${ACL.toString("hex")}`,
    ]);
  });
});

test("attributes that no file system holds are left out, and said", () => {
  const path = join(scratchDirectory(), "image");
  const { result } = writeErofsImage(path, [
    link(5, { xattrs: { "user.x": Buffer.from("x"), "system.posix_acl_access": ACL } }),
    file("f", Buffer.from("x"), {
      xattrs: {
        "other.x": Buffer.from("x"),
        "security.capability": Buffer.from("x"),
        "system.posix_acl_default": ACL,
      },
    }),
  ]);
  expect(result.omissions.toSorted()).toEqual([
    "f: other.x left out (EROFS has no place for that name)",
    "f: security.capability left out (not a set of capabilities)",
    "f: system.posix_acl_default left out (only a directory holds it)",
    "link-5: system.posix_acl_access left out (a symlink has no ACL)",
    "link-5: user.x left out (only files and directories hold it)",
  ]);
});

test.each([
  [
    "one attribute of 64 KiB",
    file("f", Buffer.from("x"), { xattrs: { "user.x": Buffer.alloc(65_536) } }),
  ],
  [
    "attributes of 300 KB",
    file("f", Buffer.from("x"), {
      xattrs: Object.fromEntries([1, 2, 3, 4, 5].map((n) => [`user.${n}`, Buffer.alloc(60_000)])),
    }),
  ],
  ["a target of 4,096 bytes", link(4096)],
])("%s is refused with a typed error", (_, entry) => {
  const path = join(scratchDirectory(), "image");
  const error = importErrorOf(() => writeErofsImage(path, [entry]));
  expect(error).toMatchObject({ code: "ERR_LIMIT_EXCEEDED" });
  expect(error.message).toContain(`"${entry.path}" has `);
  expect(error.hint).toMatch(/--format dir or tar/);
});

test("files in hundreds of pieces, and of holes and data, are whole", async () => {
  const content = Buffer.alloc(700 * 4096 + 5, "0123456789abcdef!");
  const holes = Buffer.from(content);
  for (let block = 6; block < 700; block += 7) holes.fill(0, block * 4096, (block + 1) * 4096);
  const pieces = { pieceBlocks: 2, gapBlocks: 1 };
  expect(await differences([file("pieces", content), file("again", content)], pieces)).toEqual([]);
  expect(await differences([file("holes", holes)], { holeEvery: 7, ...pieces })).toEqual([]);
});

test("what is in the image has checksums", async () => {
  const content = Buffer.alloc(900 * 4096, "content ");
  const { image, checksums } = await soundImage([file("f", content), file("g", content)], {
    pieceBlocks: 20,
    gapBlocks: 21,
  });
  expect(checksumProblems(image, { blockBytes: 4096, ...checksums })).toEqual([]);
});

interface Stub {
  /** Where the body of the tree's file lies. */
  readonly extents: readonly { logicalBlock: number; physicalBlock: number; blocks: number }[];
  readonly sizeBytes: number;
  readonly cancelled?: boolean;
}

/** Writes a tree of one file to nowhere. */
function writeNowhere({ extents, sizeBytes, cancelled = false }: Stub): void {
  const tree = buildTree([file("f", Buffer.from("x"))], () => 0);
  tree.sizes[1] = sizeBytes;
  writeErofsMetadata({
    file: { write: () => undefined, release: () => undefined, move: () => undefined },
    tree,
    bodies: { extentsOf: () => extents },
    firstFreeBlock: 100,
    identity: { uuid: Buffer.alloc(16), epochSeconds: EPOCH_SECONDS },
    isCancelled: () => cancelled,
  });
}

test("a file whose map would be enormous is refused, one without data has a small one", () => {
  const crumb = [{ logicalBlock: 1, physicalBlock: 5, blocks: 1 }];
  const error = importErrorOf(() => writeNowhere({ extents: crumb, sizeBytes: 1100 * GIB }));
  expect(error).toMatchObject({ code: "ERR_LIMIT_EXCEEDED", details: { path: "f" } });
  expect(error.message).toMatch(/the maps of files in pieces/);
  writeNowhere({ extents: [], sizeBytes: 16_000 * GIB });
  const beyond = importErrorOf(() => writeNowhere({ extents: [], sizeBytes: 2 ** 44 }));
  expect(beyond).toMatchObject({ code: "ERR_LIMIT_EXCEEDED" });
});

test("a cancelled import is ended", () => {
  const stub = { extents: [], sizeBytes: 0, cancelled: true };
  expect(importErrorOf(() => writeNowhere(stub))).toMatchObject({ code: "ERR_CANCELLED" });
});

test("two owners of one block are a bug that is noticed", () => {
  const twice = [
    { logicalBlock: 0, physicalBlock: 5, blocks: 2 },
    { logicalBlock: 2, physicalBlock: 6, blocks: 1 },
  ];
  expect(() => writeNowhere({ extents: twice, sizeBytes: 3 * 4096 })).toThrow(/in use already/);
});

test("the bytes do not depend on the order of the tree's arrays", () => {
  const entries: TreeEntry[] = [
    link(70),
    { path: "b/c/d", type: "directory", uid: 5 },
    {
      path: "b/a",
      type: "fifo",
      xattrs: { "security.b": Buffer.from("1"), "security.a": CAPABILITY },
    },
    { path: "a", type: "character", device: [1, 3] },
    { path: "z/hard", type: "hardlink", target: "a" },
    ...Array.from({ length: 300 }, (_, n): TreeEntry => ({ path: `z/${n}`, type: "fifo" })),
  ];
  const [one, other] = [entries, entries.toReversed()].map((list) => {
    const path = join(scratchDirectory(), "image");
    writeErofsImage(path, list);
    return readFileSync(path);
  });
  expect(one?.equals(other ?? Buffer.alloc(0))).toBe(true);
});
