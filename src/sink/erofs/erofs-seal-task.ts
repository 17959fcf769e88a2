import { constants } from "node:fs";
import { createBodyMap } from "../body-map.ts";
import { withImageFile, writeSuperblock } from "../image-file.ts";
import { posixAvailable } from "../posix.ts";
import { SealedImageFile } from "../sealed-image-file.ts";
import { bodyRanges } from "../written-ranges.ts";
import { SUPERBLOCK_BYTES, SUPERBLOCK_POSITION } from "./format.ts";
import type { ErofsSealResult, ErofsSealTask, ErofsSealWork } from "./seal-steps.ts";
import { writeErofsMetadata } from "./write-metadata.ts";

/**
 * Does one task of a seal, in a worker, synchronously.
 * @throws ImportError ERR_LIMIT_EXCEEDED, ERR_DISK_FULL, ERR_OUTPUT_IO, ERR_CANCELLED
 */
export function runErofsSealTask(task: ErofsSealTask): ErofsSealResult | undefined {
  if (task.type === "metadata") return writeMetadata(task.work);
  writeSuperblock({ ...task, position: SUPERBLOCK_POSITION });
  return undefined;
}

function writeMetadata(work: ErofsSealWork): ErofsSealResult {
  const { imagePath, layers, leftovers, tree, firstFreeBlock, identity, cancelled } = work;
  return withImageFile(imagePath, constants.O_RDWR, (fd) => {
    const file = new SealedImageFile({
      fd,
      imagePath,
      bodies: bodyRanges(layers),
      canPunch: posixAvailable(),
      superblock: { position: SUPERBLOCK_POSITION, bytes: SUPERBLOCK_BYTES },
    });
    for (const range of leftovers) file.erase(range);
    const { blocks, omissions } = writeErofsMetadata({
      file,
      tree,
      bodies: createBodyMap(layers),
      firstFreeBlock,
      identity,
      isCancelled: () => Atomics.load(cancelled, 0) !== 0,
    });
    return {
      kind: "erofs-seal",
      blocks,
      omissions,
      superblock: file.superblock(),
      checksums: file.checksums(),
    };
  });
}
