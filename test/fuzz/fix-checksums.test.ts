import { readFileSync, writeFileSync } from "node:fs";
import { expect, test } from "vitest";
import { verifyErofs } from "../../src/erofs-reader/verify/verify-erofs.ts";
import { verifyVolume } from "../../src/ext4-reader/verify/verify-volume.ts";
import type { VolumeReport } from "../../src/image-reader/volume-report.ts";
import { scratchDirectory } from "../support/scratch.ts";
import type { ImageMap } from "./disk-image/image-kind.ts";
import { mapErofsImage } from "./erofs/image-map.ts";
import { makeErofsImages } from "./erofs/make-images.ts";
import { mapExt4Image } from "./ext4/image-map.ts";
import { makeExt4Images } from "./ext4/make-images.ts";

const NEVER = new AbortController().signal;
const EACH = 3;
const OFFSETS: Readonly<Record<string, number>> = {
  superblock: 120,
  inode: 24,
  "block bitmap": 0,
  "inode bitmap": 0,
};

/** What is wrong after one bit of a structure was changed, in some structures of each kind. */
async function damageAfterFlips(
  path: string,
  map: ImageMap,
  verify: (imagePath: string) => Promise<VolumeReport>,
): Promise<readonly string[]> {
  const pristine = readFileSync(path);
  const kinds = [...new Set(map.structures.map(({ kind }) => kind))];
  const found: string[] = [];
  for (const kind of kinds) {
    const some = map.structures.filter((one) => one.kind === kind).slice(0, EACH);
    for (const structure of some) {
      const bytes = Buffer.from(pristine);
      // The name of a volume, the owner of an inode, what is in use at the start of a bitmap, the first entry of a map.
      const at = structure.start + (OFFSETS[kind] ?? 14);
      bytes[at] = (bytes[at] ?? 0) ^ 1;
      map.fixChecksums(bytes, [structure]);
      writeFileSync(path, bytes);
      const { damage } = await verify(path);
      found.push(...damage.map(({ what, problem }) => `${kind}: ${what}: ${problem}`));
    }
  }
  writeFileSync(path, pristine);
  return found;
}

test("what the fuzzer changes in an ext4 image, and corrects, has no wrong checksum", async () => {
  const [own = "", mkfs = "", , , pointers = ""] = await makeExt4Images(scratchDirectory());
  for (const path of [own, mkfs, pointers]) {
    const map = await mapExt4Image(path);
    const verify = (imagePath: string): Promise<VolumeReport> =>
      verifyVolume(imagePath, { signal: NEVER });
    expect((await verify(path)).damage).toEqual([]);
    const damage = await damageAfterFlips(path, map, verify);
    expect(damage.filter((problem) => problem.includes("checksum"))).toEqual([]);
    expect(damage).not.toEqual([]);
    // Without the correction all of it is noticed, so the correction is what lets it pass.
    const uncorrected = { ...map, fixChecksums: () => [] };
    const noticed = await damageAfterFlips(path, uncorrected, verify);
    expect(noticed.filter((problem) => problem.includes("checksum"))).not.toEqual([]);
  }
});

test("and an EROFS image", async () => {
  for (const path of await makeErofsImages(scratchDirectory())) {
    const verify = (imagePath: string): Promise<VolumeReport> =>
      verifyErofs(imagePath, { signal: NEVER });
    expect((await verify(path)).damage).toEqual([]);
    const damage = await damageAfterFlips(path, await mapErofsImage(path), verify);
    expect(damage.filter((problem) => problem.includes("checksum"))).toEqual([]);
  }
});
