import { damaged } from "../image-reader/image-errors.ts";
import type { BlockRun, EnterMapBlock, MapStep } from "./block-map.ts";
import { pointerSteps } from "./block-pointers.ts";
import { extentSteps } from "./extent-tree.ts";
import { INODE_FLAG } from "./format.ts";
import type { Inode } from "./inode.ts";
import type { Volume } from "./volume.ts";

/** Walks an extent tree or the block pointers that ext2 had. */
export function mapSteps(volume: Volume, inode: Inode, enter: EnterMapBlock): Iterable<MapStep> {
  return (inode.flags & INODE_FLAG.extents) === 0
    ? pointerSteps(volume, inode, enter)
    : extentSteps(volume, inode, enter);
}

/** The runs of a sound inode. @throws ImportError ERR_SNAPSHOT_DAMAGED at the first thing that is wrong */
export function* blockRuns(volume: Volume, inode: Inode): Generator<BlockRun, void, undefined> {
  let entered = 0;
  const mostBlocks = volume.superblock.blocks;
  for (const step of mapSteps(volume, inode, () => ++entered <= mostBlocks)) {
    if (step.kind === "run") yield step.run;
    else {
      throw damaged(volume.file.path, `inode ${inode.number}: ${step.problem}`, {
        inode: inode.number,
        ...(step.block === undefined ? {} : { block: step.block }),
      });
    }
  }
}
