import { join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { writeImage } from "../../support/ext4-image.ts";
import { imageProblems } from "../../support/ext4-check.ts";
import { expectedRows, lostFoundRow } from "../../support/ext4-tree-rows.ts";
import { TEST_IDENTITY } from "../../support/ext4-image.ts";
import { withMounted } from "../../support/loop-mount.ts";
import { anyTree } from "../../support/ext4-random-tree.ts";
import { rootRows, rowDifferences } from "../../support/root-rows.ts";
import { scratchDirectory } from "../../support/scratch.ts";

test("any tree is the same through the kernel, and sound", async () => {
  const path = join(scratchDirectory(), "rootfs.ext4");
  await fc.assert(
    fc.asyncProperty(
      anyTree,
      fc.constantFrom(8, 16, 129, 300),
      fc.constantFrom(0, 0, 3),
      async (entries, diskMib, gapBlocks) => {
        const { tree, contents } = writeImage(path, entries, {
          diskMib: Math.max(diskMib, roomFor(entries.length, gapBlocks)),
          gapBlocks,
        });
        expect(await imageProblems(path)).toEqual([]);
        const rows = await withMounted(path, "read-only", (root) =>
          rootRows(root, { withRoot: true }),
        );
        const expected = [...expectedRows(tree, contents)];
        if (!expected.some((row) => row.startsWith("lost+found\t"))) {
          expected.push(lostFoundRow(TEST_IDENTITY.epochSeconds));
        }
        expect(rowDifferences(rows, expected)).toEqual([]);
        expect(rows.length).toBe(expected.length);
      },
    ),
    { numRuns: 20 },
  );
});

/** MiB that are enough for so many small files. */
function roomFor(entries: number, gapBlocks: number): number {
  return 20 + Math.ceil((entries * (2 + gapBlocks)) / 256);
}
