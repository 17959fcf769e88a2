import { constants } from "node:fs";
import { withImageFile, writeSuperblock, type ImageFile } from "../image-file.ts";
import { posixAvailable } from "../posix.ts";
import { SealedImageFile } from "../sealed-image-file.ts";
import { BlockUsage } from "../block-usage.ts";
import { createBodyMap } from "../body-map.ts";
import { PRIMARY_SUPERBLOCK_OFFSET, SUPERBLOCK_BYTES } from "./format.ts";
import { diskTooSmall } from "./disk-fit.ts";
import { numberInodes } from "./inode-numbers.ts";
import type { Ext4MetadataInput } from "./metadata-input.ts";
import type { Ext4SealResult, Ext4SealTask, Ext4SealWork } from "./seal-steps.ts";
import { surveyTree } from "./survey.ts";
import { writeExt4Metadata } from "./write-metadata.ts";
import { bodyRanges } from "../written-ranges.ts";
import { XattrBlocks, XattrPlanner } from "./xattr-blocks.ts";

/**
 * Does one task of a seal, in a worker, synchronously.
 * @throws ImportError ERR_DISK_TOO_SMALL, ERR_LIMIT_EXCEEDED, ERR_DISK_FULL, ERR_OUTPUT_IO, ERR_CANCELLED
 */
export function runExt4SealTask(task: Ext4SealTask): Ext4SealResult | undefined {
  if (task.type === "metadata") return writeMetadata(task.work);
  if (task.type === "measure") return measure(task.work, task.bodyBlocks);
  writeSuperblock({ ...task, position: PRIMARY_SUPERBLOCK_OFFSET });
  return undefined;
}

function writeMetadata(work: Ext4SealWork): Ext4SealResult {
  const { imagePath, layers, leftovers } = work;
  return withImageFile(imagePath, constants.O_RDWR, (fd) => {
    const bodies = bodyRanges(layers);
    const file = new SealedImageFile({
      fd,
      imagePath,
      bodies,
      canPunch: posixAvailable(),
      superblock: { position: PRIMARY_SUPERBLOCK_OFFSET, bytes: SUPERBLOCK_BYTES },
    });
    for (const range of leftovers) file.erase(range);
    const { omissions } = writeExt4Metadata(inputOf(work, file));
    return {
      kind: "ext4-seal",
      omissions,
      superblock: file.superblock(),
      checksums: file.checksums(),
    };
  });
}

function nowhere(): never {
  throw new Error("nothing is written when the disk is too small");
}

/** Goes through the tree as the writer of the metadata does, and writes nothing. */
function measure(work: Ext4SealWork, bodyBlocks: number): never {
  const input = inputOf(work, { write: nowhere, release: nowhere });
  const numbers = numberInodes(work.tree);
  const { contentBlocks } = surveyTree(input, {
    numbers,
    usage: new BlockUsage(work.geometry),
    planner: new XattrPlanner(work.tree),
    xattrBlocks: new XattrBlocks(),
  });
  throw diskTooSmall(work.geometry, { bodyBlocks, contentBlocks, inodes: numbers.last });
}

function inputOf(work: Ext4SealWork, file: ImageFile): Ext4MetadataInput {
  const { tree, geometry, firstFreeBlock, identity, cancelled } = work;
  return {
    file,
    tree,
    geometry,
    firstFreeBlock,
    identity,
    bodies: createBodyMap(work.layers),
    isCancelled: () => Atomics.load(cancelled, 0) !== 0,
  };
}
