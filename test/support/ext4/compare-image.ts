import { imageProblems } from "../ext4-check.ts";
import { withMounted } from "../loop-mount.ts";
import { rootRows, rowDifferences } from "../root-rows.ts";

/** mke2fs makes it, root alone may look into it, and e2fsck wants it: every image has it, layers hardly ever do. */
const LOST_AND_FOUND = /^lost\+found\tdir\t700\t0:0\t/;

/** What an image file shows when the kernel mounts it, as `rootRows` with the root; a `lost+found` of its own left out. */
export function imageRows(imagePath: string): Promise<readonly string[]> {
  return withMounted(imagePath, "read-only", (rootPath) =>
    rootRows(rootPath, { withRoot: true }).filter((row) => !LOST_AND_FOUND.test(row)),
  );
}

/**
 * What is wrong with an ext4 image: what e2fsck says, and how the mounted tree differs from a directory's.
 * @param expected `rootRows` of the directory, with the root
 */
export async function imageDifferences(
  imagePath: string,
  expected: readonly string[],
): Promise<readonly string[]> {
  const problems = await imageProblems(imagePath);
  const wanted = expected.filter((row) => !LOST_AND_FOUND.test(row));
  return [...problems, ...rowDifferences(await imageRows(imagePath), wanted)];
}
