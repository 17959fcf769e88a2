import { ImportError } from "../../errors.ts";
import { BlockUsage, GROUP_BLOCKS } from "../block-usage.ts";
import { throwWhenCancelled } from "../cancellation.ts";
import { omissionLines } from "../omissions.ts";
import { numberTree } from "../tree-numbers.ts";
import { freeRuns, movedBodies, planMoves } from "./plan-moves.ts";
import { MOST_BLOCKS, SUPERBLOCK_POSITION } from "./format.ts";
import { layOutInodes, type InodeLayout } from "./inode-layout.ts";
import { writeInodes } from "./inode-writer.ts";
import type { ErofsMetadataInput, ErofsMetadataResult } from "./metadata-input.ts";
import { encodeSuperblock } from "./superblock.ts";
import { surveyTree } from "./survey.ts";
import { xattrAreas } from "./xattr-area.ts";

/** Number 0 is nobody's. */
const ROOT_NUMBER = 1;

/**
 * Makes a complete EROFS file system around bodies that lie in the image file already.
 *
 *     block 0           zeros, and from byte 1024 on the superblock: the last write
 *     then              bodies where they were placed, those that lay last in the gaps between the others
 *     metadataBlock     inodes, the root's first, each with its attributes and then the rest of its directory or its link,
 *                       or the map of its file
 *     then              whole blocks of directories and long links, to the end of the file
 *
 * Invariants:
 * 1. A block has one owner: `BlockUsage` refuses a second one. Nothing is written to a block that a body keeps.
 * 2. What no body has is given up before anything is written: nothing that a layer deleted stays readable.
 * 3. The same input gives the same bytes: nothing here depends on time, chance or the order of the tree's arrays.
 *
 * A crash is harmless: without its superblock the file is no file system, and until it is renamed nobody looks for one.
 * Synchronous: it runs in a worker. Making the bytes durable is the caller's job.
 *
 * @throws ImportError ERR_LIMIT_EXCEEDED for what EROFS cannot hold, ERR_CANCELLED, and what `input.file` throws
 */
export function writeErofsMetadata(input: ErofsMetadataInput): ErofsMetadataResult {
  const { tree, file, firstFreeBlock, identity } = input;
  const numbers = numberTree(tree, { root: ROOT_NUMBER, last: ROOT_NUMBER });
  const xattrs = xattrAreas(tree);
  const usage = new BlockUsage({ groups: Math.ceil(firstFreeBlock / GROUP_BLOCKS) });
  const omissions = surveyTree(input, { numbers, xattrs, usage });
  let step = 0;
  for (const { first, blocks } of freeRuns(usage, 1, firstFreeBlock)) {
    throwWhenCancelled(input, step++);
    file.release(first, blocks);
  }
  const moves = planMoves(usage, firstFreeBlock);
  const bodies = movedBodies(input.bodies, moves);
  const layout = layOutInodes(input, { numbers, xattrs, bodies });
  const blocks = requireFitting(moves.end, layout);
  file.move(moves, () => throwWhenCancelled(input, 0));
  writeInodes(input, { numbers, xattrs, bodies, layout, firstBlock: moves.end });
  const superblock = encodeSuperblock({
    ...identity,
    inodes: numbers.last,
    blocks,
    metadataBlock: moves.end,
    hasChunkedFiles: layout.hasChunkedFiles,
  });
  file.write(superblock, SUPERBLOCK_POSITION);
  return { blocks, omissions: omissionLines([omissions]) };
}

/** @returns the blocks of the image */
function requireFitting(bodyEnd: number, { inodeBlocks, contentBlocks }: InodeLayout): number {
  const blocks = bodyEnd + inodeBlocks + contentBlocks;
  if (blocks <= MOST_BLOCKS) return blocks;
  throw new ImportError("ERR_LIMIT_EXCEEDED", "the image has more than the 16 TiB of EROFS", {
    hint: "Import the image with --format dir or tar.",
    details: { blocks, limit: MOST_BLOCKS },
  });
}
