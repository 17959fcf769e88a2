import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { verifyVolume } from "../../src/ext4-reader/verify/verify-volume.ts";
import { bytesAt, overwrite } from "../support/damaged-image.ts";
import { bytesIn, metadataRanges, positionIn } from "../support/ext4/metadata-ranges.ts";
import { populate } from "../support/ext4/populate.ts";
import { writeImage } from "../support/ext4-image.ts";
import { withMounted } from "../support/loop-mount.ts";
import { mustRun } from "../support/run-program.ts";
import { scratchDirectory } from "../support/scratch.ts";
import { directory, file } from "../support/sound-image.ts";
import type { TreeEntry } from "../support/tree-builder.ts";

const NEVER = new AbortController().signal;
const BLOCK = 4096;
const FLIPS = 250;

const damageOf = async (imagePath: string) =>
  (await verifyVolume(imagePath, { signal: NEVER })).damage;

/** Changes one byte of the metadata after the other, each at random; each must be noticed. @returns what is wrong without */
async function damageBesideFlips(imagePath: string): Promise<readonly unknown[]> {
  const ranges = await metadataRanges(imagePath);
  await fc.assert(
    fc.asyncProperty(
      // Some of the ranges are a thousand times as large as others: half of the flips choose a range first.
      fc.oneof(
        fc.nat(bytesIn(ranges) - 1).map((n) => positionIn(ranges, n)),
        fc.tuple(fc.nat(ranges.length - 1), fc.nat(2 ** 30)).map(([index, n]) => {
          const { start = 0, end = 1 } = ranges[index] ?? {};
          return start + (n % Math.min(BLOCK, end - start));
        }),
      ),
      fc.integer({ min: 1, max: 255 }),
      async (position, mask) => {
        const before = bytesAt(imagePath, position, 1)[0] ?? 0;
        const undo = overwrite(imagePath, position, Buffer.of(before ^ mask));
        const damage = await damageOf(imagePath);
        undo();
        if (damage.length === 0) {
          throw new Error(
            `block ${Math.floor(position / BLOCK)}, byte ${position % BLOCK}: 0x${before.toString(16)} with 0x${mask.toString(16)} is not noticed`,
          );
        }
      },
    ),
    { numRuns: FLIPS },
  );
  return damageOf(imagePath);
}

/** Extents in a tree, attributes in a block, a directory with an index. */
function entries(names: number): readonly TreeEntry[] {
  return [
    directory("etc", { xattrs: { "user.large": Buffer.alloc(1000, "v") } }),
    { path: "etc/link", type: "symlink", target: "t".repeat(200) },
    ...Array.from({ length: names }, (_, n) => file(`many/${n}-`.padEnd(120, "x"), `${n}`)),
  ];
}

const PIECES = Buffer.from("stands for a file of pieces");
const SPARSE = {
  sizeBytes: 4000 * BLOCK,
  segments: Array.from({ length: 400 }, (_, n) => ({ block: 3 * n, content: Buffer.of(n) })),
};

test("any changed byte of the metadata is noticed: a disk of one group", async () => {
  const imagePath = join(scratchDirectory(), "image");
  writeImage(imagePath, [...entries(100), file("pieces", PIECES)], {
    diskMib: 16,
    sparse: new Map([[PIECES, SPARSE]]),
  });
  expect(await damageBesideFlips(imagePath)).toEqual([]);
});

test("any changed byte of the metadata is noticed: several groups with copies", async () => {
  const imagePath = join(scratchDirectory(), "image");
  writeImage(imagePath, [...entries(40), file("pieces", PIECES)], {
    diskMib: 520,
    sparse: new Map([[PIECES, SPARSE]]),
  });
  expect(await damageBesideFlips(imagePath)).toEqual([]);
});

test("any changed byte of the metadata is noticed: made by mkfs -d", async () => {
  const work = scratchDirectory();
  const from = join(work, "tree");
  mkdirSync(from);
  for (let n = 0; n < 50; n++) writeFileSync(join(from, `file-${n}`), `${n}`);
  const imagePath = join(work, "image");
  await mustRun("mkfs.ext4", ["-q", "-F", "-b", "4096", "-d", from, imagePath, "16M"]);
  expect(await damageBesideFlips(imagePath)).toEqual([]);
});

test("any changed byte of the metadata is noticed: written by the kernel", async () => {
  const imagePath = join(scratchDirectory(), "image");
  await mustRun("mkfs.ext4", ["-q", "-F", "-b", "4096", "-O", "^resize_inode", imagePath, "32M"]);
  await withMounted(imagePath, "read-write", (root) => populate(root, { names: 300 }));
  expect(await damageBesideFlips(imagePath)).toEqual([]);
});
