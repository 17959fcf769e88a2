import type { ContentRun, DiskImage } from "../image-reader/disk-image.ts";
import { blockRuns } from "./block-runs.ts";
import { directoryEntries, isDotName } from "./directory-entries.ts";
import { INO } from "./format.ts";
import { deviceNumber, modificationTime, readInode, type Inode } from "./inode.ts";
import { symlinkTarget } from "./symlink-target.ts";
import { openVolume, type Volume } from "./volume.ts";
import { readXattrs } from "./xattrs.ts";

const LOST_AND_FOUND = Buffer.from("lost+found");
/** The first inode that is not reserved: where every ext4 has its `lost+found`. */
const LOST_AND_FOUND_INODE = 11;
/** A directory that its owner alone may enter. */
const LOST_AND_FOUND_MODE = 0o40700;

/** An ext4 image, not mounted. @throws ImportError as `openVolume` */
export async function openExt4Image(imagePath: string): Promise<DiskImage<Inode>> {
  const volume = await openVolume(imagePath);
  const { file } = volume;
  return {
    path: file.path,
    rootNumber: INO.root,
    inode: (number) => readInode(volume, number),
    *entries(directory) {
      for (const { name, inode } of directoryEntries(volume, directory)) {
        if (!isDotName(name)) yield { name, inode };
      }
    },
    mtime: modificationTime,
    device: deviceNumber,
    target: (link) => symlinkTarget(volume, link),
    xattrs: (inode) => readXattrs(volume, inode),
    runs: (inode) => fileRuns(volume, inode),
    isOwn: (name, inode) => isLostAndFound(volume, name, inode),
    readSync: file.readSync,
    read: file.read,
    close: file.close,
  };
}

/** Blocks that were set aside and never written read as zeros, whatever stands in them. */
function* fileRuns(volume: Volume, inode: Inode): Generator<ContentRun, void, undefined> {
  const { blockSize } = volume.superblock;
  for (const { logicalBlock, physicalBlock, blocks, written } of blockRuns(volume, inode)) {
    const offset = logicalBlock * blockSize;
    const bytes = Math.min(blocks * blockSize, inode.sizeBytes - offset);
    if (bytes > 0) yield { offset, bytes, at: written ? physicalBlock * blockSize : undefined };
  }
}

/** What a file system has of its own is not the image's: an empty directory, made by the writer or by mke2fs. */
function isLostAndFound(volume: Volume, name: Buffer, inode: Inode): boolean {
  if (!name.equals(LOST_AND_FOUND) || inode.number !== LOST_AND_FOUND_INODE) return false;
  if (inode.mode !== LOST_AND_FOUND_MODE || inode.uid !== 0 || inode.gid !== 0) return false;
  for (const entry of directoryEntries(volume, inode)) {
    if (!isDotName(entry.name)) return false;
  }
  return true;
}
