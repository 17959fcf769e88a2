import type { DiskImage } from "../image-reader/disk-image.ts";
import { contentRuns } from "./content-runs.ts";
import { isDotName } from "./directory-block.ts";
import { erofsDirectoryEntries } from "./directory-entries.ts";
import { erofsDeviceNumber, readErofsInode, type ErofsInode } from "./inode.ts";
import { erofsSymlinkTarget } from "./symlink-target.ts";
import { openErofs } from "./volume.ts";
import { readErofsXattrs } from "./xattrs.ts";

/** An EROFS image, not mounted. @throws ImportError as `openErofs` */
export async function openErofsImage(imagePath: string): Promise<DiskImage<ErofsInode>> {
  const volume = await openErofs(imagePath);
  const { file, superblock } = volume;
  return {
    path: file.path,
    rootNumber: superblock.rootNid,
    inode: (number) => readErofsInode(volume, number),
    *entries(directory) {
      for (const { name, nid } of erofsDirectoryEntries(volume, directory)) {
        if (!isDotName(name)) yield { name, inode: nid };
      }
    },
    mtime: ({ mtime }) => mtime,
    device: erofsDeviceNumber,
    target: (link) => erofsSymlinkTarget(volume, link),
    xattrs: (inode) => readErofsXattrs(volume, inode),
    runs: (inode) => contentRuns(volume, inode),
    isOwn: () => false,
    readSync: file.readSync,
    read: file.read,
    close: file.close,
  };
}
