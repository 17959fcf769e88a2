import { contentRuns } from "./content-runs.ts";
import { brokenInode, type ErofsInode } from "./inode.ts";
import type { ErofsVolume } from "./volume.ts";

/** @returns the target of a link, or what is wrong with it: "it …" */
export function targetAt(volume: ErofsVolume, inode: ErofsInode): Buffer | string {
  const { sizeBytes } = inode;
  const target = Buffer.alloc(sizeBytes);
  for (const { offset, bytes, at } of contentRuns(volume, inode)) {
    if (at === undefined) return "is a link with a hole";
    volume.file.readSync(target.subarray(offset, offset + bytes), at);
  }
  return target.includes(0) ? "is a link whose target has a NUL" : target;
}

/** @throws ImportError ERR_SNAPSHOT_DAMAGED */
export function erofsSymlinkTarget(volume: ErofsVolume, inode: ErofsInode): Buffer {
  const target = targetAt(volume, inode);
  if (typeof target === "string") throw brokenInode(volume, inode.number, target);
  return target;
}
