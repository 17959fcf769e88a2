import { fileType } from "../image-reader/file-type.ts";
import { damaged } from "../image-reader/image-errors.ts";
import { blockRuns } from "./block-runs.ts";
import { inodeBlock, isFastSymlink, type Inode } from "./inode.ts";
import { readBlocks, type Volume } from "./volume.ts";

/** @throws ImportError ERR_SNAPSHOT_DAMAGED */
export function symlinkTarget(volume: Volume, inode: Inode): Buffer {
  const { sizeBytes, number } = inode;
  if (isFastSymlink(inode)) return Buffer.from(inodeBlock(inode).subarray(0, sizeBytes));
  const [run] = blockRuns(volume, inode);
  if (fileType(inode.mode) !== "symlink" || run === undefined || run.logicalBlock !== 0) {
    throw damaged(volume.file.path, `inode ${number} has no target`, { inode: number });
  }
  if (sizeBytes >= volume.superblock.blockSize) {
    throw damaged(volume.file.path, `the target of inode ${number} has ${sizeBytes} bytes`, {
      inode: number,
    });
  }
  return readBlocks(volume, run.physicalBlock).subarray(0, sizeBytes);
}
