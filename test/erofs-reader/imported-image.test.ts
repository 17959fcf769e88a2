import { createHash } from "node:crypto";
import { join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { openErofsImage } from "../../src/erofs-reader/erofs-image.ts";
import { verifyErofs } from "../../src/erofs-reader/verify/verify-erofs.ts";
import { openErofsTreeReader } from "../../src/export/image-tree-reader.ts";
import { importSandboxImage, verifySandboxImage } from "../../src/index.ts";
import { tarPieces } from "../../src/sink/tar/tar-pieces.ts";
import { readImageChecksums } from "../../src/store/read-image-checksums.ts";
import { bytesAt, overwrite } from "../support/damaged-image.ts";
import { erofsProblems } from "../support/erofs-check.ts";
import { imageRows } from "../support/image-rows.ts";
import { withMounted } from "../support/loop-mount.ts";
import { fileEntry, makeLayer } from "../support/make-layer.ts";
import { joinPieces, memoryReader } from "../support/memory-reader.ts";
import { writeErofs } from "../support/erofs/write-erofs.ts";
import { writeOciLayout } from "../support/oci-layout.ts";
import { randomTree } from "../support/random-entries.ts";
import { rootRows, rowDifferences } from "../support/root-rows.ts";
import { scratchDirectory } from "../support/scratch.ts";
import { assortedEntries } from "../support/sink-contract.ts";
import type { TestLayer } from "../support/test-registry/test-image.ts";
import type { TreeEntry } from "../support/tree-builder.ts";

const NEVER = new AbortController().signal;
const FLIPS = 80;

function layerOf(archive: Buffer): TestLayer {
  return {
    bytes: archive,
    mediaType: "application/vnd.oci.image.layer.v1.tar",
    diffId: `sha256:${createHash("sha256").update(archive).digest("hex")}`,
  };
}

const archiveOf = (entries: readonly TreeEntry[]): Buffer =>
  joinPieces(tarPieces(memoryReader(entries), () => expect.unreachable()));

interface Imported {
  readonly home: string;
  readonly imagePath: string;
  readonly snapshotId: string;
}

async function importErofs(layers: readonly TestLayer[]): Promise<Imported> {
  const place = scratchDirectory();
  const home = join(place, "home");
  writeOciLayout(join(place, "app"), "1", { layers: [...layers] });
  const { path, snapshotId } = await importSandboxImage(`oci:${join(place, "app")}:1`, {
    home,
    format: "erofs",
    registeredName: "app",
    fsync: false,
  });
  return { home, imagePath: path, snapshotId };
}

/** A second layer, so that there are garbage bodies, and files in several runs. */
async function assortedImage(): Promise<Imported> {
  const upper = await makeLayer([
    fileEntry("usr/.wh.large", ""),
    fileEntry("large", Buffer.from(Array.from({ length: 9 << 20 }, (_, n) => (n * n) % 251))),
    ...Array.from({ length: 300 }, (_, n) => fileEntry(`many/${n}-`.padEnd(100, "x"), `${n}`)),
  ]);
  return importErofs([layerOf(archiveOf(assortedEntries())), upper]);
}

test("an imported image is read as the kernel reads it, and nobody finds fault with it", async () => {
  const { home, imagePath } = await assortedImage();
  const rows = await withMounted(imagePath, "erofs", (root) => rootRows(root, { withRoot: true }));
  expect(rows.length).toBeGreaterThan(310);
  expect(rowDifferences(await imageRows(await openErofsImage(imagePath)), rows)).toEqual([]);
  expect(await erofsProblems(imagePath)).toEqual([]);
  const report = await verifySandboxImage("app", { home });
  expect(report.damage).toEqual([]);
  expect(report.checkedBytes).toBeGreaterThan(9 << 20);
});

test("any changed byte that the record covers is noticed, and named by a path", async () => {
  const { home, imagePath, snapshotId } = await assortedImage();
  const record = readImageChecksums(home, snapshotId);
  if (typeof record === "string") throw new Error(`the record is ${record}`);
  const { blockBytes, firstBlocks, blockCounts } = record;
  const place = fc.tuple(fc.nat(firstBlocks.length - 1), fc.nat(2 ** 30)).map(([range, n]) => {
    const bytes = (blockCounts[range] ?? 1) * blockBytes;
    return (firstBlocks[range] ?? 0) * blockBytes + (n % bytes);
  });
  await fc.assert(
    fc.asyncProperty(place, fc.integer({ min: 1, max: 255 }), async (position, mask) => {
      const before = bytesAt(imagePath, position, 1)[0] ?? 0;
      const undo = overwrite(imagePath, position, Buffer.of(before ^ mask));
      const { damage, sound } = await verifySandboxImage("app", { home });
      undo();
      const block = Math.floor(position / blockBytes);
      const data = damage.filter(({ what }) => what === "data");
      const isTold = data.some(({ block: first = 0 }) => first <= block);
      // The superblock is nobody's; and what a damaged inode leads to is not found any more.
      const isNamed =
        block === 0 || damage.some(({ path, what }) => path !== undefined || what === "image");
      expect({ position, sound, isTold, isNamed, damage }).toMatchObject({
        sound: false,
        isTold: true,
        isNamed: true,
      });
    }),
    { numRuns: FLIPS },
  );
  expect((await verifySandboxImage("app", { home })).damage).toEqual([]);
});

test("random trees come out of an EROFS image as they went in", async () => {
  const place = scratchDirectory();
  let run = 0;
  await fc.assert(
    fc.asyncProperty(randomTree(), async (entries) => {
      const imagePath = join(place, String((run += 1)));
      await writeErofs(imagePath, entries);
      const reader = await openErofsTreeReader(imagePath, NEVER);
      const again = joinPieces(tarPieces(reader, () => expect.unreachable()));
      await reader.close();
      expect(again.equals(archiveOf(entries))).toBe(true);
      expect((await verifyErofs(imagePath, { signal: NEVER })).damage).toEqual([]);
    }),
    { numRuns: 40 },
  );
});
