import { lstatSync, readSync, openSync, closeSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { writeImage, type SparseBody } from "../../support/ext4-image.ts";
import { importErrorOf } from "../../support/import-error.ts";
import { withMounted } from "../../support/loop-mount.ts";
import { debugfs, directory, faithfulImage, file, soundImage } from "../../support/sound-image.ts";
import { scratchDirectory } from "../../support/scratch.ts";
import type { TreeEntry } from "../../support/tree-builder.ts";

const BLOCK = 4096;

/** A file of so many pieces with holes of a block between them. */
function pieces(count: number): SparseBody {
  return {
    sizeBytes: 2 * count * BLOCK,
    segments: Array.from({ length: count }, (_, n) => ({
      block: 2 * n,
      content: Buffer.alloc(BLOCK, `piece ${n} `),
    })),
  };
}

/** One file with so many names. */
function links(count: number): readonly TreeEntry[] {
  const others = Array.from({ length: count - 1 }, (_, n): TreeEntry => ({
    path: `l/${n}`,
    type: "hardlink",
    target: "first",
  }));
  return [file("first"), ...others];
}

/** One directory with so many in it. */
function directories(count: number): readonly TreeEntry[] {
  return Array.from({ length: count }, (_, n) => directory(`d/${n}`));
}

test.each([
  [3, 0, 3],
  [4, 0, 4],
  [5, 1, 6],
  [340, 1, 341],
  [341, 1, 343],
  [1360, 1, 1364],
  [1361, 2, 1361 + 5 + 1],
  [2000, 2, 2000 + 6 + 1],
])("a file of %i pieces has an extent tree of depth %i", async (count, depth, blocks) => {
  const body = pieces(count);
  const content = Buffer.from("stands for it");
  const { path } = await soundImage([file("pieces", content)], {
    diskMib: 64,
    sparse: new Map([[content, body]]),
  });
  expect(await debugfs(path, "ex pieces")).toMatch(new RegExp(`^ ${depth}/ ${depth} +1/`, "m"));
  expect(await debugfs(path, "stat pieces")).toContain(`Blockcount: ${blocks * 8}\n`);
  await withMounted(path, "read-only", (root) => {
    const expected = Buffer.alloc(body.sizeBytes);
    for (const segment of body.segments) expected.set(segment.content, segment.block * BLOCK);
    expect(readFileSync(join(root, "pieces")).equals(expected)).toBe(true);
  });
});

test("a file of 5 GiB of holes and data is read where it has data", async () => {
  const content = Buffer.from("stands for it");
  const last = 5 * 2 ** 30 - BLOCK;
  const { path } = await soundImage([file("sparse", content)], {
    sparse: new Map([
      [
        content,
        {
          sizeBytes: 5 * 2 ** 30,
          segments: [
            { block: 0, content: Buffer.from("head") },
            { block: last / BLOCK, content: Buffer.alloc(BLOCK, "T") },
          ],
        },
      ],
    ]),
  });
  await withMounted(path, "read-only", (root) => {
    const fd = openSync(join(root, "sparse"), "r");
    const read = (position: number): string => {
      const bytes = Buffer.alloc(8);
      readSync(fd, bytes, 0, 8, position);
      return bytes.toString("latin1");
    };
    try {
      expect(read(0)).toBe("head\0\0\0\0");
      expect(read(2 ** 32)).toBe("\0".repeat(8));
      expect(read(last - 4)).toBe("\0\0\0\0TTTT");
    } finally {
      closeSync(fd);
    }
    expect(lstatSync(join(root, "sparse")).size).toBe(5 * 2 ** 30);
    expect(lstatSync(join(root, "sparse")).blocks).toBe(16);
  });
});

test("a file of nothing but a hole has no blocks", async () => {
  const content = Buffer.from("stands for it");
  const { path } = await soundImage([file("hole", content)], {
    sparse: new Map([[content, { sizeBytes: 20 * 2 ** 30, segments: [] }]]),
  });
  expect(await debugfs(path, "stat hole")).toContain("Blockcount: 0\n");
});

test.each([
  ["1901", -(2 ** 31), 0],
  ["before 1970, the fraction counts upwards", -300_000_000, 5],
  ["1969-12-31T23:59:59.999999999", -1, 999_999_999],
  ["the epoch", 0, 0],
  ["the last second of 31 bits", 2 ** 31 - 1, 999_999_999],
  ["2038", 2 ** 31, 1],
  ["2100", 4_102_444_800, 999_999_999],
  ["2106", 2 ** 32, 0],
  ["the last before those that e2fsck mistakes", 10_737_418_239, 999_999_999],
  ["the first after them", 12_884_901_888, 1],
  ["2446", 2 ** 34 - 2 ** 31 - 2, 999_999_999],
])("a time is kept to the nanosecond: %s", async (_, seconds, nanoseconds) => {
  const { result } = await faithfulImage([{ ...file("a"), mtime: [seconds, nanoseconds] }]);
  expect(result.omissions).toEqual([]);
});

test.each([
  ["1700", -8_520_336_000, -(2 ** 31)],
  ["2500", 16_725_225_600, 2 ** 34 - 2 ** 31 - 1],
  ["the end of time", 2 ** 62, 2 ** 34 - 2 ** 31 - 1],
  ["2310, which e2fsck takes for 1901", 10_737_418_240, 10_737_418_239],
  ["2378, which e2fsck takes for 1969", 12_884_901_887, 10_737_418_239],
])("a time beyond ext4 is the nearest one, and is listed: %s", async (_, seconds, kept) => {
  const { path, result } = await soundImage([{ ...file("a"), mtime: [seconds, 7] }]);
  expect(result.omissions).toEqual([`a: time ${seconds} is beyond what the file system holds`]);
  await withMounted(path, "read-only", (root) => {
    expect(lstatSync(join(root, "a"), { bigint: true }).mtimeNs).toBe(
      BigInt(kept) * 1_000_000_000n,
    );
  });
});

test("65,000 names of one file are possible, one more is not", async () => {
  const { path } = await soundImage(links(65_000), { diskMib: 64 });
  expect(await debugfs(path, "stat first")).toContain("Links: 65000 ");
  const error = importErrorOf(() =>
    writeImage(join(scratchDirectory(), "a"), links(65_001), { diskMib: 64 }),
  );
  expect(error.code).toBe("ERR_LIMIT_EXCEEDED");
  expect(error.message).toBe('"first" has 65001 hard links; ext4 holds 65000');
});

test("a directory with more sub-directories than can be counted says 1", async () => {
  const most = join(scratchDirectory(), "most");
  writeImage(most, directories(64_998), { diskMib: 700 });
  expect(await debugfs(most, "stat d")).toContain("Links: 65000 ");
  const more = await soundImage(directories(64_999), { diskMib: 700 });
  expect(await debugfs(more.path, "stat d")).toContain("Links: 1 ");
}, 120_000);

test.each([
  [4096, "a".repeat(4096), "a target of 4096 bytes; ext4 holds 4095", "ERR_LIMIT_EXCEEDED"],
  [0, "", "a symlink without a target, or with a NUL in it", "ERR_LAYER_CORRUPT"],
  ["with a NUL", "a\0b", "a symlink without a target, or with a NUL in it", "ERR_LAYER_CORRUPT"],
])("a symlink target of %s bytes is refused with its path", (_, target, message, code) => {
  const error = importErrorOf(() =>
    writeImage(join(scratchDirectory(), "a"), [{ path: "usr/l\x07", type: "symlink", target }]),
  );
  expect(error.code).toBe(code);
  expect(error.message).toContain('"usr/l\\x07"');
  expect(error.message).toContain(message);
});

test("a file of 16 TiB is one block too large", () => {
  const content = Buffer.from("stands for it");
  const image = (sizeBytes: number): ReturnType<typeof writeImage> =>
    writeImage(join(scratchDirectory(), "a"), [file("huge", content)], {
      sparse: new Map([[content, { sizeBytes, segments: [] }]]),
    });
  expect(image(2 ** 44 - BLOCK).result.inodes).toBe(12);
  const error = importErrorOf(() => image(2 ** 44));
  expect(error.message).toBe('"huge" has 17592186044416 bytes; ext4 holds 17592186040320');
});
