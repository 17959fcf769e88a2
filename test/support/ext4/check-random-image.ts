import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { ImportError } from "../../../src/index.ts";
import { writeCaseLayout } from "../case-kit/case-layout.ts";
import { rootRows } from "../root-rows.ts";
import { imageDifferences } from "./compare-image.ts";
import { importLayout } from "./import-image-file.ts";
import type { RandomImage } from "./random-image.ts";

/** Images up to this size are compared byte by byte. */
const COMPARED_MIB = 300;

/**
 * Imports an image as a directory and as ext4, on one worker and on two, and says what is not as it must be.
 * @param work an empty directory on a disk that holds xattrs
 */
export async function checkRandomImage(
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
  const diskMb = await importSomewhere(work, imagePath, image.diskMb);
  const problems = [...(await imageDifferences(imagePath, expected))];
  if (statSync(imagePath).size !== diskMb * 2 ** 20) problems.push("the image has another size");
  if (diskMb <= COMPARED_MIB) {
    const again = join(work, "two.img");
    await importLayout(work, again, { format: "ext4", diskMb, cpus: 2 });
    if (!readFileSync(again).equals(readFileSync(imagePath))) {
      problems.push("the bytes differ between one worker and two");
    }
  }
  return problems;
}

/**
 * A disk that is too small is refused with the size that is enough: so it must be.
 * @returns the size that was used, MiB
 */
async function importSomewhere(work: string, imagePath: string, diskMb: number): Promise<number> {
  try {
    await importLayout(work, imagePath, { format: "ext4", diskMb, cpus: 1 });
    return diskMb;
  } catch (error) {
    if (!(error instanceof ImportError) || error.code !== "ERR_DISK_TOO_SMALL") throw error;
    const enough = Number(/--disk_mb (\d+)/.exec(error.hint ?? "")?.[1]);
    if (!(enough > diskMb)) throw error;
    if (statSync(imagePath, { throwIfNoEntry: false }) !== undefined) {
      throw new Error("a refused image was left behind", { cause: error });
    }
    await importLayout(work, imagePath, { format: "ext4", diskMb: enough, cpus: 1 });
    return enough;
  }
}
