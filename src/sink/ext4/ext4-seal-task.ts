import { closeSync, constants, fsyncSync, openSync } from "node:fs";
import { ioError } from "../io-error.ts";
import { posixAvailable } from "../posix.ts";
import { writeAll } from "../write-all.ts";
import { BlockUsage } from "./block-usage.ts";
import { createBodyMap } from "./body-map.ts";
import { PRIMARY_SUPERBLOCK_OFFSET } from "./format.ts";
import { diskTooSmall } from "./disk-fit.ts";
import { numberInodes } from "./inode-numbers.ts";
import type { Ext4MetadataInput, ImageFile } from "./metadata-input.ts";
import { SealedImageFile } from "./sealed-image-file.ts";
import type { Ext4SealResult, Ext4SealTask, Ext4SealWork } from "./seal-steps.ts";
import { surveyTree } from "./survey.ts";
import { writeExt4Metadata } from "./write-metadata.ts";
import { bodyRanges } from "./written-ranges.ts";
import { XattrBlocks, XattrPlanner } from "./xattr-blocks.ts";

/**
 * Does one task of a seal, in a worker, synchronously.
 * @throws ImportError ERR_DISK_TOO_SMALL, ERR_LIMIT_EXCEEDED, ERR_DISK_FULL, ERR_OUTPUT_IO, ERR_CANCELLED
 */
export function runExt4SealTask(task: Ext4SealTask): Ext4SealResult | undefined {
  if (task.type === "metadata") return writeMetadata(task.work);
  if (task.type === "measure") return measure(task.work, task.bodyBlocks);
  writeSuperblock(task);
  return undefined;
}

function writeMetadata(work: Ext4SealWork): Ext4SealResult {
  const { imagePath, layers, leftovers } = work;
  return withImage(imagePath, constants.O_RDWR, (fd) => {
    const bodies = bodyRanges(layers);
    const file = new SealedImageFile({ fd, imagePath, bodies, canPunch: posixAvailable() });
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

/** A crash before the second write leaves a file without a superblock; one after it, all that the superblock tells of. */
function writeSuperblock(task: Extract<Ext4SealTask, { type: "superblock" }>): void {
  withImage(task.imagePath, constants.O_WRONLY, (fd) => {
    if (task.fsync) fsyncSync(fd);
    writeAll(fd, task.superblock, PRIMARY_SUPERBLOCK_OFFSET);
    if (task.fsync) fsyncSync(fd);
  });
}

function withImage<T>(imagePath: string, flags: number, action: (fd: number) => T): T {
  let fd: number | undefined;
  try {
    fd = openSync(imagePath, flags | constants.O_NOFOLLOW);
    return action(fd);
  } catch (error) {
    throw ioError(error, "write the disk image", imagePath);
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}
