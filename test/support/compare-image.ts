import type { ImageKind } from "./image-kinds.ts";
import { rootRows, rowDifferences } from "./root-rows.ts";

/** mke2fs makes it, root alone may look into it, and e2fsck wants it: every image has it, layers hardly ever do. */
const LOST_AND_FOUND = /^lost\+found\tdir\t700\t0:0\t/;

/**
 * What an image file shows when the kernel mounts it, as the `rootRows`, with the root, of a directory on ext4: a `lost+found`
 * of its own left out.
 */
export async function imageRows(imagePath: string, kind: ImageKind): Promise<readonly string[]> {
  const rows = await kind.withMounted(imagePath, (rootPath) =>
    rootRows(rootPath, { withRoot: true }),
  );
  return comparable(rows, kind);
}

/**
 * What is wrong with an image: what its checker says, and how the mounted tree differs from a directory's.
 * @param expected `rootRows` of the directory, with the root
 */
export async function imageDifferences(
  imagePath: string,
  kind: ImageKind,
  expected: readonly string[],
): Promise<readonly string[]> {
  const problems = await kind.problems(imagePath);
  const rows = await imageRows(imagePath, kind);
  return [...problems, ...rowDifferences(rows, comparable(expected, kind))];
}

function comparable(rows: readonly string[], { format }: ImageKind): readonly string[] {
  return format === "ext4"
    ? rows.filter((row) => !LOST_AND_FOUND.test(row))
    : rows.map(asDirectoryHolds);
}

/** What the ext4 of the directory holds: 34 bits of seconds, of which the lower 32 are signed. */
const EARLIEST = -(2n ** 31n);
const LATEST = 2n ** 34n - 2n ** 31n - 1n;
const SECOND = 1_000_000_000n;
/** Kind, mode and owner of a row, and its time; a path may have tabs. */
const MTIME = /(\t(?:file|dir|symlink|char|block|fifo)\t[0-7]*\t\d+:\d+\t)(-?\d+)(?=\t)/;

/** The directory's file system moves times to the ends of what it holds; EROFS holds all. */
function asDirectoryHolds(row: string): string {
  return row.replace(MTIME, (_, before: string, text: string) => {
    const mtime = BigInt(text);
    if (mtime < EARLIEST * SECOND) return `${before}${EARLIEST * SECOND}`;
    return mtime >= (LATEST + 1n) * SECOND ? `${before}${LATEST * SECOND}` : `${before}${text}`;
  });
}
