import { openErofsImage } from "../../../src/erofs-reader/erofs-image.ts";
import { verifyErofs } from "../../../src/erofs-reader/verify/verify-erofs.ts";
import { openErofsTreeReader, openExt4TreeReader } from "../../../src/export/image-tree-reader.ts";
import { openExt4Image } from "../../../src/ext4-reader/ext4-image.ts";
import { verifyVolume } from "../../../src/ext4-reader/verify/verify-volume.ts";
import { openImageTarget } from "../disk-image/image-target.ts";
import { readWholeImage } from "../disk-image/read-whole-image.ts";
import { mapErofsImage } from "../erofs/image-map.ts";
import { makeErofsImages } from "../erofs/make-images.ts";
import { mapExt4Image } from "../ext4/image-map.ts";
import { makeExt4Images } from "../ext4/make-images.ts";
import type { FuzzTarget } from "../fuzz-target.ts";

export const ext4Target: FuzzTarget = {
  name: "ext4",
  weight: 5,
  open: () =>
    openImageTarget({
      name: "ext4",
      makeImages: makeExt4Images,
      mapImage: mapExt4Image,
      verify: (path, signal) => verifyVolume(path, { signal }),
      readImage: async (path, signal) => readWholeImage(await openExt4Image(path), signal),
      openTree: openExt4TreeReader,
    }),
};

export const erofsTarget: FuzzTarget = {
  name: "erofs",
  weight: 4,
  open: () =>
    openImageTarget({
      name: "erofs",
      makeImages: makeErofsImages,
      mapImage: mapErofsImage,
      verify: (path, signal) => verifyErofs(path, { signal }),
      readImage: async (path, signal) => readWholeImage(await openErofsImage(path), signal),
      openTree: openErofsTreeReader,
    }),
};
