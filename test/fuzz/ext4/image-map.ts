import { fixExt4Checksums } from "./fix-checksums.ts";
import type { ImageMap, Structure } from "../disk-image/image-kind.ts";
import { parseInode, type Inode } from "../../../src/ext4-reader/inode.ts";
import { fileType } from "../../../src/image-reader/file-type.ts";
import { mapSteps } from "../../../src/ext4-reader/block-runs.ts";
import { openVolume, descriptorOf, type Volume } from "../../../src/ext4-reader/volume.ts";

/** Finds the metadata of a sound image, so that mutations hit it. */
export async function mapExt4Image(imagePath: string): Promise<ImageMap> {
  const volume = await openVolume(imagePath);
  try {
    const { superblock } = volume;
    const { blockSize, descriptorSize } = superblock;
    const structures: Structure[] = [{ kind: "superblock", start: 1024, length: 1024, owner: 0 }];
    const table = (superblock.firstDataBlock + 1) * blockSize;
    for (let group = 0; group < superblock.groups; group++) {
      const start = table + group * descriptorSize;
      structures.push({ kind: "descriptor", start, length: descriptorSize, owner: group });
      structures.push(...structuresOfGroup(volume, group));
    }
    return {
      structures,
      blockSize,
      fixChecksums: (bytes, touched) =>
        fixExt4Checksums({ bytes, structures, superblock }, touched),
    };
  } finally {
    await volume.file.close();
  }
}

function structuresOfGroup(volume: Volume, group: number): Structure[] {
  const { blockSize, inodesPerGroup, inodeSize } = volume.superblock;
  const { blockBitmap, inodeBitmap, inodeTable } = descriptorOf(volume, group);
  const block = (kind: Structure["kind"], at: number): Structure => ({
    kind,
    start: at * blockSize,
    length: blockSize,
    owner: group,
  });
  const found = [block("block bitmap", blockBitmap), block("inode bitmap", inodeBitmap)];
  for (let index = 0; index < inodesPerGroup; index++) {
    const start = inodeTable * blockSize + index * inodeSize;
    const bytes = Buffer.alloc(inodeSize);
    volume.file.readSync(bytes, start);
    const number = group * inodesPerGroup + index + 1;
    // Eleven reserved ones, the used ones, and one that is free.
    const isFree = bytes.readUInt16LE(0) === 0;
    if (isFree && number > 12) continue;
    found.push({ kind: "inode", start, length: inodeSize, owner: number });
    if (!isFree) found.push(...blocksOf(volume, parseInode(volume.superblock, number, bytes)));
  }
  return found;
}

function blocksOf(volume: Volume, inode: Inode): Structure[] {
  const { blockSize, journalInode } = volume.superblock;
  const found: Structure[] = [];
  const add = (kind: Structure["kind"], block: number): void => {
    found.push({ kind, start: block * blockSize, length: blockSize, owner: inode.number });
  };
  if (inode.xattrBlock !== 0) add("xattr block", inode.xattrBlock);
  const type = fileType(inode.mode);
  const isMapped = type === "file" || type === "directory" || inode.occupiedBytes > 0;
  if (!isMapped) return found;
  const steps = mapSteps(volume, inode, (block) => {
    add("map block", block);
    return true;
  });
  for (const step of steps) {
    if (step.kind !== "run") continue;
    const { physicalBlock, blocks } = step.run;
    if (type === "directory") {
      for (let at = 0; at < blocks; at++) add("directory block", physicalBlock + at);
    } else if (inode.number === journalInode && step.run.logicalBlock === 0) {
      add("journal", physicalBlock);
    } else if (type === "symlink") add("link target", physicalBlock);
  }
  return found;
}
