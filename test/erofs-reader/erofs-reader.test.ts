import { mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openErofsImage } from "../../src/erofs-reader/erofs-image.ts";
import { openErofs } from "../../src/erofs-reader/volume.ts";
import { verifyErofs } from "../../src/erofs-reader/verify/verify-erofs.ts";
import {
  editSuperblock,
  erofsInodeOf,
  makeErofs,
  populatedTree,
} from "../support/erofs/make-erofs.ts";
import { imageRows } from "../support/image-rows.ts";
import { importErrorFrom } from "../support/import-error.ts";
import { withMounted } from "../support/loop-mount.ts";
import { rootRows, rowDifferences } from "../support/root-rows.ts";
import { mustRun, runProgram } from "../support/run-program.ts";
import { scratchDirectory } from "../support/scratch.ts";

const NEVER = new AbortController().signal;

let work: string;
let from: string;

beforeAll(async () => {
  work = mkdtempSync(join(tmpdir(), "rootlift-erofs-"));
  from = await populatedTree(work, 300);
});
afterAll(() => {
  rmSync(work, { recursive: true });
});

/** How our reader differs from the kernel, and what our check finds: nothing. */
async function differences(imagePath: string, names: number): Promise<readonly unknown[]> {
  const rows = await withMounted(imagePath, "erofs", (root) => rootRows(root, { withRoot: true }));
  expect(rows.length).toBeGreaterThan(names);
  const report = await verifyErofs(imagePath, { signal: NEVER });
  // mkfs leaves no block unused, and counts its inodes.
  expect(report.usedBlocks).toBe(report.blocks);
  return [
    ...rowDifferences(await imageRows(await openErofsImage(imagePath)), rows),
    ...report.damage,
  ];
}

test.each([
  ["the defaults, contents behind inodes", []],
  ["files in whole blocks", ["-Enoinline_data"]],
  ["extended inodes", ["-Eforce-inode-extended"]],
  ["chunks of a block each, holes left out", ["--chunksize=4096"]],
  ["chunk indexes", ["--chunksize=4096", "-Eforce-chunk-indexes"]],
  ["chunks of 64 KiB", ["--chunksize=65536"]],
  ["chunks of 1 MiB, as a map", ["--chunksize=1048576", "-Eforce-inode-blockmap"]],
  ["every attribute shared", ["-x0"]],
  ["no attributes", ["-x-1"]],
  ["one time for all, after 2106", ["-T5000000000"]],
] as const)("an image by mkfs.erofs is read as the kernel reads it: %s", async (_, options) => {
  const imagePath = join(scratchDirectory(), "image");
  await makeErofs(imagePath, from, options);
  expect(await differences(imagePath, 300)).toEqual([]);
});

test("compact inodes are read as the kernel reads them", async () => {
  const place = scratchDirectory();
  const tree = join(place, "tree");
  mkdirSync(join(tree, "a/b"), { recursive: true });
  writeFileSync(join(tree, "a/file"), "contents");
  writeFileSync(join(tree, "a/large"), Buffer.alloc(100_000, "large"));
  await mustRun("ln", [join(tree, "a/file"), join(tree, "again")]);
  await mustRun("ln", ["-s", "a/file", join(tree, "link")]);
  await mustRun("mknod", [join(tree, "null"), "c", "1", "3"]);
  for (const options of [[], ["--chunksize=4096"], ["--chunksize=4096", "-Eforce-chunk-indexes"]]) {
    const imagePath = join(place, "image");
    await makeErofs(imagePath, tree, ["-Eforce-inode-compact", "-T1234567890", ...options]);
    const { at, xattrsAt } = await erofsInodeOf(imagePath, "/a/file");
    expect(xattrsAt - at).toBe(32);
    expect(await differences(imagePath, 6)).toEqual([]);
  }
});

test("directories of many blocks are read as the kernel reads them", async () => {
  const place = scratchDirectory();
  const tree = join(place, "tree");
  mkdirSync(tree);
  for (let n = 0; n < 3000; n++) {
    // Names before and behind `.` in the order of bytes.
    writeFileSync(join(tree, `${n % 3 === 0 ? "!" : ""}${n}-`.padEnd(1 + (n % 200), "x")), "");
  }
  const imagePath = join(place, "image");
  await makeErofs(imagePath, tree);
  expect(await differences(imagePath, 2900)).toEqual([]);
});

test("compression is named as what is not known", async () => {
  const imagePath = join(scratchDirectory(), "image");
  await makeErofs(imagePath, from, ["-zlz4"]);
  const error = await importErrorFrom(openErofs(imagePath));
  expect(error.code).toBe("ERR_SNAPSHOT_UNSUPPORTED");
  expect(error.message).toContain(
    "uses what this reader does not know: compression (lz4_0padding)",
  );
  expect((await importErrorFrom(verifyErofs(imagePath, { signal: NEVER }))).message).toBe(
    error.message,
  );
});

test("files on another device are named as what is not known", async () => {
  const place = scratchDirectory();
  const imagePath = join(place, "image");
  await makeErofs(imagePath, from, ["--chunksize=4096", `--blobdev=${join(place, "blob")}`]);
  const error = await importErrorFrom(openErofs(imagePath));
  expect(error.code).toBe("ERR_SNAPSHOT_UNSUPPORTED");
  expect(error.message).toContain("device_table");
});

test.each([
  ["48bit", 0x80],
  ["fragments or dedupe", 0x20],
  ["xattr_prefixes", 0x40],
  ["incompat 0x40000000", 0x40000000],
])("a feature that it does not know is named: %s", async (name, bit) => {
  const imagePath = join(scratchDirectory(), "image");
  await makeErofs(imagePath, from);
  editSuperblock(imagePath, (bytes) => bytes.writeUInt32LE(bit, 80));
  const actions = [() => openErofs(imagePath), () => verifyErofs(imagePath, { signal: NEVER })];
  for (const action of actions) {
    const error = await importErrorFrom(action());
    expect(error.code).toBe("ERR_SNAPSHOT_UNSUPPORTED");
    expect(error.message).toContain(`does not know: ${name}`);
  }
});

test("a superblock with a wrong checksum is damage, and the rest is looked at all the same", async () => {
  const imagePath = join(scratchDirectory(), "image");
  await makeErofs(imagePath, from);
  const { inodes } = await verifyErofs(imagePath, { signal: NEVER });
  editSuperblock(imagePath, () => undefined);
  await (await openErofs(imagePath)).file.close();
  await mustRun("sh", ["-c", `printf X | dd of="$0" bs=1 seek=1090 conv=notrunc`, imagePath]);
  const error = await importErrorFrom(openErofs(imagePath));
  expect(error.message).toContain("its superblock has a wrong checksum");
  // fsck.erofs says so too, and exits with 0.
  expect((await runProgram("fsck.erofs", [imagePath])).stderr).toContain("chksum");
  const report = await verifyErofs(imagePath, { signal: NEVER });
  expect(report.damage).toEqual([{ what: "superblock", problem: "it has a wrong checksum" }]);
  expect(report.inodes).toBe(inodes);
});

test("a cut image is damaged, not read past its end; what is no image is said to be none", async () => {
  const imagePath = join(scratchDirectory(), "image");
  await makeErofs(imagePath, from);
  truncateSync(imagePath, 1_000_000);
  const error = await importErrorFrom(openErofs(imagePath));
  expect(error.code).toBe("ERR_SNAPSHOT_DAMAGED");
  expect(error.message).toContain("it has 1000000 bytes and its file system ");
  const report = await verifyErofs(imagePath, { signal: NEVER });
  expect(report.damage).toEqual([
    { what: "image", problem: expect.stringContaining("it has 1000000 bytes") },
  ]);
  for (const size of [0, 100, 1100, 1152, 5000]) {
    writeFileSync(imagePath, Buffer.alloc(size));
    expect((await importErrorFrom(openErofs(imagePath))).code).toBe("ERR_SNAPSHOT_DAMAGED");
    expect((await verifyErofs(imagePath, { signal: NEVER })).damageCount).toBe(1);
  }
});

test("a check is cancelled", async () => {
  const imagePath = join(scratchDirectory(), "image");
  await makeErofs(imagePath, from);
  const controller = new AbortController();
  controller.abort();
  const error = await importErrorFrom(verifyErofs(imagePath, { signal: controller.signal }));
  expect(error.code).toBe("ERR_CANCELLED");
});
