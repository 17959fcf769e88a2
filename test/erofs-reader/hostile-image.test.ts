import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync, linkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openErofsImage } from "../../src/erofs-reader/erofs-image.ts";
import { verifyErofs } from "../../src/erofs-reader/verify/verify-erofs.ts";
import { openErofsTreeReader } from "../../src/export/image-tree-reader.ts";
import { bytesAt, overwrite } from "../support/damaged-image.ts";
import {
  editSuperblock,
  erofsInodeOf,
  makeErofs,
  sealSuperblock,
} from "../support/erofs/make-erofs.ts";
import { garbage, isFine, readAll } from "../support/hostile-images.ts";
import { outcomeFrom } from "../support/import-error.ts";
import { setRawXattr } from "../support/read-directory.ts";
import { runProgram } from "../support/run-program.ts";

const NEVER = new AbortController().signal;
const BLOCK = 4096;
const SUPERBLOCK_AT = 1024;
const RUNS = 150;

let work: string;
/** Chunks with indexes and shared attributes; contents behind inodes. */
let images: readonly string[];

beforeAll(async () => {
  work = mkdtempSync(join(tmpdir(), "rootlift-erofs-hostile-"));
  const tree = join(work, "tree");
  mkdirSync(join(tree, "d/e"), { recursive: true });
  mkdirSync(join(tree, "many"));
  writeFileSync(join(tree, "a"), Buffer.alloc(10_000, "contents of a, "));
  writeFileSync(join(tree, "d/small"), "small");
  linkSync(join(tree, "a"), join(tree, "d/again"));
  symlinkSync("t".repeat(300), join(tree, "link"));
  for (const name of ["a", "d", "d/small"]) {
    setRawXattr(join(tree, name), "user.shared", Buffer.alloc(200, "shared"));
    setRawXattr(join(tree, name), `user.${name.replace("/", "-")}`, Buffer.from("own"));
  }
  for (let n = 0; n < 100; n++) writeFileSync(join(tree, `many/${n}-`.padEnd(120, "x")), "");
  images = [join(work, "chunks"), join(work, "inline"), join(work, "compact")];
  const options = [
    ["--chunksize=4096", "-Eforce-chunk-indexes", "-x1"],
    ["-x1"],
    ["-Eforce-inode-compact", "-T1", "-Enoinline_data", "-x1"],
  ];
  for (const [index, path] of images.entries()) await makeErofs(path, tree, options[index] ?? []);
});
afterAll(() => {
  rmSync(work, { recursive: true });
});

/** As an export does. */
function readTree(imagePath: string): Promise<number | string> {
  const opening = openErofsTreeReader(imagePath, NEVER);
  return outcomeFrom(
    opening.then(async (reader) => {
      await reader.close();
      return reader.tree.entries;
    }),
  );
}

function verified(imagePath: string): Promise<number | string> {
  const report = verifyErofs(imagePath, { signal: NEVER });
  return outcomeFrom(report.then(({ damageCount }) => damageCount));
}

/** Bytes anywhere from the superblock on; half of them in the first inodes and directories. */
const places = fc.oneof(
  fc.nat({ max: 0xffffff }),
  fc.integer({ min: SUPERBLOCK_AT, max: 2 * BLOCK }),
  fc.integer({ min: SUPERBLOCK_AT, max: SUPERBLOCK_AT + 128 }),
);

/** Changes an image, with a checksum that holds, for as long as the check runs. */
async function overwriteAtRandom(
  imagePath: string,
  check: () => Promise<void>,
  options: { readonly runs: number },
): Promise<void> {
  const { blocks } = await verifyErofs(imagePath, { signal: NEVER });
  const size = blocks * BLOCK;
  const sound = bytesAt(imagePath, 0, size);
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(places, garbage), { minLength: 1, maxLength: 10 }),
      async (writes) => {
        const changed = Buffer.from(sound);
        for (const [place, bytes] of writes) {
          const at = SUPERBLOCK_AT + (place % (size - SUPERBLOCK_AT - 64));
          changed.set(bytes, at);
        }
        sealSuperblock(changed.subarray(SUPERBLOCK_AT, BLOCK));
        const undo = overwrite(imagePath, 0, changed);
        try {
          await check();
        } finally {
          undo();
        }
      },
    ),
    { numRuns: options.runs },
  );
}

test.each([0, 1, 2])(
  "whatever stands in image %i, everything ends with an answer or one of our errors",
  async (index) => {
    const imagePath = images[index] ?? "";
    const files = await readAll(openErofsImage(imagePath));
    expect(files).toBeGreaterThan(105);
    await overwriteAtRandom(
      imagePath,
      async () => {
        for (const outcome of [
          await verified(imagePath),
          await readAll(openErofsImage(imagePath)),
          await readTree(imagePath),
        ]) {
          expect([outcome, isFine(outcome)]).toEqual([outcome, true]);
        }
      },
      { runs: RUNS },
    );
    expect(await readAll(openErofsImage(imagePath))).toBe(files);
    expect(await verified(imagePath)).toBe(0);
  },
);

test("what fsck.erofs finds fault with, our check does too", async () => {
  const imagePath = images[1] ?? "";
  let faults = 0;
  await overwriteAtRandom(
    imagePath,
    async () => {
      const { exitCode, stderr } = await runProgram("fsck.erofs", ["--extract", imagePath]);
      // It may crash; then it says nothing.
      if (exitCode === 0 || exitCode === null || !stderr.includes("<E>")) return;
      faults++;
      expect([stderr, await verified(imagePath)]).not.toEqual([stderr, 0]);
    },
    { runs: 60 },
  );
  expect(faults).toBeGreaterThan(5);
});

test("any byte that a record covers is noticed when it changes, with a path of what it is of", async () => {
  for (const imagePath of images) {
    const { blocks } = await verifyErofs(imagePath, { signal: NEVER });
    const sound = bytesAt(imagePath, 0, blocks * BLOCK);
    const recorded = {
      blockBytes: BLOCK,
      firstBlocks: Uint32Array.from({ length: blocks }, (_, block) => block),
      blockCounts: new Uint32Array(blocks).fill(1),
      checksums: Uint32Array.from({ length: blocks }, (_, block) =>
        crc32(sound.subarray(block * BLOCK, (block + 1) * BLOCK)),
      ),
    };
    expect((await verifyErofs(imagePath, { signal: NEVER, recorded })).damage).toEqual([]);
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(
          fc.nat(sound.length - 1),
          fc.integer({ min: SUPERBLOCK_AT, max: 3 * BLOCK }).map((n) => n % sound.length),
        ),
        fc.integer({ min: 1, max: 255 }),
        async (position, mask) => {
          const undo = overwrite(imagePath, position, Buffer.of((sound[position] ?? 0) ^ mask));
          const { damage } = await verifyErofs(imagePath, { signal: NEVER, recorded });
          undo();
          const block = Math.floor(position / BLOCK);
          const found = damage.find((it) => it.what === "data" && it.block === block);
          expect(found?.problem).toContain(`the bytes of block ${block} are not`);
          // What a damaged inode or directory leads to is not found any more.
          const isNamed = damage.every(({ what }) => what === "data" || what === "superblock");
          expect(found?.path ?? (isNamed ? "" : "/")).toMatch(/^\//);
        },
      ),
      { numRuns: 100 },
    );
    expect((await verifyErofs(imagePath, { signal: NEVER, recorded })).damage).toEqual([]);
  }
});

test("a changed byte is named by what is there: a file, a directory, a link, an inode, an attribute", async () => {
  const imagePath = images[0] ?? "";
  const { blocks } = await verifyErofs(imagePath, { signal: NEVER });
  const recorded = {
    blockBytes: BLOCK,
    firstBlocks: Uint32Array.of(0),
    blockCounts: Uint32Array.of(blocks),
    checksums: Uint32Array.of(crc32(bytesAt(imagePath, 0, blocks * BLOCK))),
  };
  const one = (block: number) => ({
    ...recorded,
    firstBlocks: Uint32Array.of(block),
    blockCounts: Uint32Array.of(1),
    checksums: Uint32Array.of(1 + crc32(bytesAt(imagePath, block * BLOCK, BLOCK))),
  });
  const namesOf = async (block: number): Promise<string> => {
    const { damage } = await verifyErofs(imagePath, { signal: NEVER, recorded: one(block) });
    return damage.map(({ path, problem }) => `${path} ${problem}`).join("\n");
  };
  const file = await erofsInodeOf(imagePath, "/a");
  if (file.contents.kind !== "chunks") throw new Error("not in chunks");
  const map = bytesAt(imagePath, file.contents.mapAt, 8).readUInt32LE(4);
  expect(await namesOf(map)).toMatch(/^\/(a|d\/again) the bytes of block/);
  const many = await erofsInodeOf(imagePath, "/many");
  if (many.contents.kind !== "flat") throw new Error("in chunks");
  expect(await namesOf(many.contents.start)).toMatch(/^\/many the bytes of block/);
  expect(await namesOf(Math.floor(many.at / BLOCK))).toMatch(
    /^\/\S* the bytes of block \d+ are not what was imported/,
  );
  expect((await verifyErofs(imagePath, { signal: NEVER, recorded })).damage).toEqual([]);
});

test("inodes that all claim one long map, or one place for attributes, are read once", async () => {
  const imagePath = join(work, "dense");
  const tree = join(work, "dense-tree");
  mkdirSync(tree);
  for (let n = 0; n < 5000; n++) writeFileSync(join(tree, String(n)), "");
  await makeErofs(imagePath, tree, ["-Eforce-inode-compact", "-T1"]);
  const { blocks } = await verifyErofs(imagePath, { signal: NEVER });
  const bytes = bytesAt(imagePath, 0, blocks * BLOCK);
  const root = await erofsInodeOf(imagePath, "/");
  let changed = 0;
  for (let at = root.end + (-root.end & 31); at + 32 <= bytes.length; at += 32) {
    if (bytes.readUInt16LE(at + 4) !== 0o100644) continue;
    // Chunk-based, attributes of 64 KiB, a file of 64 MiB.
    bytes.writeUInt16LE(8, at);
    bytes.writeUInt16LE(changed % 2 === 0 ? 0 : 16_000, at + 2);
    bytes.writeUInt32LE(2 ** 26, at + 8);
    bytes.writeUInt32LE(0, at + 16);
    changed++;
  }
  expect(changed).toBeGreaterThan(4900);
  overwrite(imagePath, 0, bytes);
  editSuperblock(imagePath, (it) => it.writeUInt32LE(4, 80));
  const report = await verifyErofs(imagePath, { signal: NEVER });
  expect(report.damageCount).toBeGreaterThan(4000);
});
