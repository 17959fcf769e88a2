import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { ImportError } from "../../src/index.ts";
import { writeCaseLayout } from "./case-kit/case-layout.ts";
import { imageDifferences } from "./compare-image.ts";
import { importLayout } from "./ext4/import-image-file.ts";
import type { RandomImage } from "./ext4/random-image.ts";
import type { ImageKind } from "./image-kinds.ts";
import { rootRows } from "./root-rows.ts";

const MIB = 2 ** 20;
/** Images up to this size are compared byte by byte. */
const COMPARED_BYTES = 300 * MIB;

/**
 * Imports an image as a directory and as a disk image, on one worker and on two, and says what is not as it must be.
 * @param work an empty directory on ext4
 */
export async function checkRandomImage(
  image: RandomImage,
  kind: ImageKind,
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
  const { format } = kind;
  const diskMb = await importSomewhere(work, imagePath, { format, diskMb: image.diskMb });
  const problems = [...(await imageDifferences(imagePath, kind, expected))];
  const { size } = statSync(imagePath);
  if (format === "ext4" && size !== diskMb * MIB) problems.push("the image has another size");
  if (size <= COMPARED_BYTES) {
    const again = join(work, "two.img");
    await importLayout(work, again, { format, diskMb, cpus: 2 });
    if (!readFileSync(again).equals(readFileSync(imagePath))) {
      problems.push("the bytes differ between one worker and two");
    }
  }
  return problems;
}

/**
 * A disk that is too small is refused with the size that is enough: so it must be. An EROFS image is as large as it has to be.
 * @returns the size that was used, MiB
 */
async function importSomewhere(
  work: string,
  imagePath: string,
  options: { readonly format: ImageKind["format"]; readonly diskMb: number },
): Promise<number> {
  const { diskMb } = options;
  try {
    await importLayout(work, imagePath, { ...options, cpus: 1 });
    return diskMb;
  } catch (error) {
    if (!(error instanceof ImportError) || error.code !== "ERR_DISK_TOO_SMALL") throw error;
    const enough = Number(/--disk_mb (\d+)/.exec(error.hint ?? "")?.[1]);
    if (!(enough > diskMb)) throw error;
    if (statSync(imagePath, { throwIfNoEntry: false }) !== undefined) {
      throw new Error("a refused image was left behind", { cause: error });
    }
    await importLayout(work, imagePath, { ...options, diskMb: enough, cpus: 1 });
    return enough;
  }
}
