import { join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { erofsProblems } from "../../support/erofs-check.ts";
import { SECRET, writeErofsImage } from "../../support/erofs-image.ts";
import { anyTree } from "../../support/ext4-random-tree.ts";
import { expectedRows } from "../../support/ext4-tree-rows.ts";
import { withMounted } from "../../support/loop-mount.ts";
import { rootRows, rowDifferences } from "../../support/root-rows.ts";
import { scratchDirectory } from "../../support/scratch.ts";

test("any tree is the same through the kernel, and sound", async () => {
  const path = join(scratchDirectory(), "rootfs.erofs");
  await fc.assert(
    fc.asyncProperty(
      anyTree,
      fc.record({
        gapBlocks: fc.constantFrom(0, 1, 15, 16, 40),
        pieceBlocks: fc.constantFrom(1, 2, 7, 16, 1000),
      }),
      async (entries, options) => {
        const { tree, contents, image } = writeErofsImage(path, entries, options);
        expect(image.includes(SECRET)).toBe(false);
        expect(await erofsProblems(path)).toEqual([]);
        const rows = await withMounted(path, "erofs", (root) => rootRows(root, { withRoot: true }));
        const expected = expectedRows(tree, contents);
        expect(rowDifferences(rows, expected)).toEqual([]);
        expect(rows.length).toBe(expected.length);
      },
    ),
    { numRuns: 20 },
  );
});
