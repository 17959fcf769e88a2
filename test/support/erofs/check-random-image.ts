import { readFileSync } from "node:fs";
import { join } from "node:path";
import { writeCaseLayout } from "../case-kit/case-layout.ts";
import { erofsProblems } from "../erofs-check.ts";
import { importLayout } from "../ext4/import-image-file.ts";
import type { RandomImage } from "../ext4/random-image.ts";
import { withMounted } from "../loop-mount.ts";
import { rootRows, rowDifferences } from "../root-rows.ts";

/**
 * Imports an image as a directory and as EROFS, on one worker and on two, and says what is not as it must be.
 * @param work an empty directory on ext4
 */
export async function checkRandomErofs(
  image: RandomImage,
  work: string,
): Promise<readonly string[]> {
  const layout = join(work, "layout");
  writeCaseLayout({ name: "random", file: "random", fields: image.fields }, layout, {
    canaryPath: work,
  });
  const directory = join(work, "directory");
  await importLayout(work, directory, { format: "dir" });
  const expected = rootRows(directory, { withRoot: true });

  const imagePath = join(work, "one.img");
  await importLayout(work, imagePath, { format: "erofs", cpus: 1 });
  const problems = [...(await erofsProblems(imagePath))];
  const rows = await withMounted(imagePath, "erofs", (rootPath) =>
    rootRows(rootPath, { withRoot: true }),
  );
  problems.push(...rowDifferences(rows.map(asDirectoryHolds), expected));

  const again = join(work, "two.img");
  await importLayout(work, again, { format: "erofs", cpus: 2 });
  if (!readFileSync(again).equals(readFileSync(imagePath))) {
    problems.push("the bytes differ between one worker and two");
  }
  return problems;
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
