import { contentRuns } from "../../../src/erofs-reader/content-runs.ts";
import { erofsDirectoryEntries } from "../../../src/erofs-reader/directory-entries.ts";
import { readErofsInode, type ErofsInode } from "../../../src/erofs-reader/inode.ts";
import { openErofs, type ErofsVolume } from "../../../src/erofs-reader/volume.ts";
import { storedXattrs } from "../../../src/erofs-reader/xattrs.ts";
import { fileType } from "../../../src/image-reader/file-type.ts";
import { crc32c } from "../disk-image/crc32c.ts";
import type { ImageMap, Range, Structure } from "../disk-image/image-kind.ts";

const SUPERBLOCK_AT = 1024;

/** Finds the metadata of a sound image, so that mutations hit it. */
export async function mapErofsImage(imagePath: string): Promise<ImageMap> {
  const volume = await openErofs(imagePath);
  try {
    const { blockSize, rootNid } = volume.superblock;
    const structures: Structure[] = [
      { kind: "superblock", start: SUPERBLOCK_AT, length: 128, owner: rootNid },
    ];
    const seen = new Set([rootNid]);
    for (const nid of seen) {
      const inode = readErofsInode(volume, nid);
      structures.push(...structuresOf(volume, inode));
      if (fileType(inode.mode) !== "directory") continue;
      for (const entry of erofsDirectoryEntries(volume, inode)) seen.add(entry.nid);
    }
    return {
      structures,
      blockSize,
      fixChecksums: (bytes, touched) => [...touched, ...fixSuperblock(bytes, blockSize)],
    };
  } finally {
    await volume.file.close();
  }
}

function structuresOf(volume: ErofsVolume, inode: ErofsInode): Structure[] {
  const { number: owner, at, end, xattrsAt, xattrBytes, contents, mode } = inode;
  const found: Structure[] = [{ kind: "inode", start: at, length: xattrsAt - at, owner }];
  if (xattrBytes > 0) {
    found.push({ kind: "attributes", start: xattrsAt, length: xattrBytes, owner });
    for (const stored of storedXattrs(volume, inode)) {
      if (typeof stored === "string" || !stored.isShared) continue;
      const length = stored.end - stored.at;
      found.push({ kind: "shared attribute", start: stored.at, length, owner });
    }
  }
  if (contents.kind === "chunks" && contents.count > 0) {
    found.push({ kind: "chunk map", start: contents.mapAt, length: end - contents.mapAt, owner });
  }
  const type = fileType(mode);
  if (type !== "directory" && type !== "symlink") return found;
  for (const { at: start, bytes } of contentRuns(volume, inode)) {
    if (start !== undefined) found.push({ kind: type, start, length: bytes, owner });
  }
  return found;
}

/** The only checksum that there is covers the first block from the superblock on. */
function fixSuperblock(bytes: Buffer, blockSize: number): readonly Range[] {
  const covered = bytes.subarray(SUPERBLOCK_AT, blockSize);
  covered.writeUInt32LE(0, 4);
  covered.writeUInt32LE(crc32c(0xffff_ffff, covered), 4);
  return [{ start: SUPERBLOCK_AT + 4, length: 4 }];
}
