import { mkdirSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { openDiskImageFiles } from "../../src/browse/disk-image-files.ts";
import { findFile } from "../../src/browse/find-file.ts";
import { openExt4Image } from "../../src/ext4-reader/ext4-image.ts";
import { openVolume } from "../../src/ext4-reader/volume.ts";
import { verifyVolume } from "../../src/ext4-reader/verify/verify-volume.ts";
import { overwrite } from "../support/damaged-image.ts";
import { debugfsWrite } from "../support/ext4/damage-tools.ts";
import { bytesIn, metadataRanges, positionIn } from "../support/ext4/metadata-ranges.ts";
import { populate } from "../support/ext4/populate.ts";
import { writeImage } from "../support/ext4-image.ts";
import { garbage, isFine, readAll } from "../support/hostile-images.ts";
import { importErrorFrom, outcomeFrom } from "../support/import-error.ts";
import { mustRun } from "../support/run-program.ts";
import { scratchDirectory } from "../support/scratch.ts";
import { directory, file } from "../support/sound-image.ts";

const NEVER = new AbortController().signal;
const MIB = 2 ** 20;
const RUNS = 120;

async function overwriteAtRandom(imagePath: string, check: () => Promise<void>): Promise<void> {
  const ranges = await metadataRanges(imagePath);
  const total = bytesIn(ranges);
  const place = fc.oneof(
    fc.nat(total - 1).map((n) => positionIn(ranges, n)),
    fc
      .tuple(fc.nat(ranges.length - 1), fc.nat(4095))
      .map(([index, n]) => (ranges[index]?.start ?? 0) + n),
  );
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(place, garbage), { minLength: 1, maxLength: 12 }),
      async (writes) => {
        const undo = writes.map(([position, bytes]) => overwrite(imagePath, position, bytes));
        try {
          await check();
        } finally {
          for (const back of undo.toReversed()) back();
        }
      },
    ),
    { numRuns: RUNS },
  );
}

test("whatever stands in the metadata, verify ends with a report or one of our errors", async () => {
  const imagePath = join(scratchDirectory(), "image");
  writeImage(imagePath, [
    file("a", "a".repeat(10_000)),
    { ...file("attributes"), xattrs: { "user.large": Buffer.alloc(500) } },
    directory("d/e/f"),
    { path: "link", type: "symlink", target: "t".repeat(100) },
    ...Array.from({ length: 100 }, (_, n) => file(`many/${n}-`.padEnd(120, "x"), "")),
  ]);
  await overwriteAtRandom(imagePath, async () => {
    const report = verifyVolume(imagePath, { signal: NEVER });
    const outcome = await outcomeFrom(report.then(({ damageCount }) => damageCount));
    expect([outcome, isFine(outcome)]).toEqual([outcome, true]);
  });
  expect((await verifyVolume(imagePath, { signal: NEVER })).damage).toEqual([]);
});

test("whatever stands in the metadata, without checksums that tell, reading ends with files or one of our errors", async () => {
  const work = scratchDirectory();
  const from = join(work, "tree");
  mkdirSync(from);
  await populate(from, { names: 60 });
  const imagePath = join(work, "image");
  const features = "^metadata_csum,^resize_inode";
  await mustRun("mkfs.ext4", [
    "-q",
    "-F",
    "-b",
    "4096",
    "-O",
    features,
    "-d",
    from,
    imagePath,
    "32M",
  ]);
  const files = await readAll(openExt4Image(imagePath));
  expect(files).toBeGreaterThan(80);
  await overwriteAtRandom(imagePath, async () => {
    const outcome = await readAll(openExt4Image(imagePath));
    expect([outcome, isFine(outcome)]).toEqual([outcome, true]);
  });
  expect(await readAll(openExt4Image(imagePath))).toBe(files);
});

test("directories that lead in a circle are listed once, then refused", async () => {
  const imagePath = join(scratchDirectory(), "image");
  writeImage(imagePath, [directory("dir/sub")]);
  await debugfsWrite(imagePath, ["ln /dir /dir/sub/loop"]);
  expect(await readAll(openExt4Image(imagePath))).toBe("ERR_SNAPSHOT_DAMAGED");
  const files = await openDiskImageFiles(await openExt4Image(imagePath));
  expect(findFile(files, Buffer.from("/dir/sub/loop/sub/../sub")).path.map(String)).toEqual([
    "dir",
    "sub",
    "loop",
    "sub",
  ]);
  await files.close();
});

test("a cut image is damaged, not read past its end", async () => {
  const imagePath = join(scratchDirectory(), "image");
  writeImage(imagePath, [file("a")]);
  truncateSync(imagePath, 10 * MIB);
  const error = await importErrorFrom(openVolume(imagePath));
  expect(error.code).toBe("ERR_SNAPSHOT_DAMAGED");
  expect(error.message).toContain("it has 10485760 bytes and its file system 16777216");
  const report = await verifyVolume(imagePath, { signal: NEVER });
  expect(report.damage).toEqual([
    {
      what: "image",
      problem: expect.stringContaining("it has 10485760 bytes and its file system"),
    },
  ]);
});

test("a file that is no ext4 image is said to be none", async () => {
  const path = join(scratchDirectory(), "file");
  for (const size of [0, 100, 5000]) {
    writeFileSync(path, Buffer.alloc(size));
    expect((await importErrorFrom(openVolume(path))).code).toBe("ERR_SNAPSHOT_DAMAGED");
    expect((await verifyVolume(path, { signal: NEVER })).damageCount).toBe(1);
  }
});

test("what is not there, no file, or may block is refused at once", async () => {
  const place = scratchDirectory();
  await mustRun("mkfifo", [join(place, "fifo")]);
  for (const name of ["missing", "fifo", "."]) {
    expect((await importErrorFrom(openVolume(join(place, name)))).code).toBe("ERR_STORE_IO");
  }
});

test("a check is cancelled", async () => {
  const imagePath = join(scratchDirectory(), "image");
  writeImage(imagePath, [file("a")]);
  const controller = new AbortController();
  controller.abort();
  const error = await importErrorFrom(verifyVolume(imagePath, { signal: controller.signal }));
  expect(error.code).toBe("ERR_CANCELLED");
});

test("a disk of 4 TiB that is nearly empty costs little memory", async () => {
  const imagePath = join(scratchDirectory(), "image");
  writeImage(imagePath, [file("a")], { diskMib: 4 * MIB });
  expect(statSync(imagePath).size).toBe(4 * 2 ** 40);
  const before = process.memoryUsage.rss();
  const report = await verifyVolume(imagePath, { signal: NEVER });
  expect(report.damage).toEqual([]);
  expect(report.blocks).toBe(2 ** 30);
  expect(process.memoryUsage.rss() - before).toBeLessThan(200 * MIB);
});
