import { fileType } from "../../../src/image-reader/file-type.ts";
import {
  imageFileContents,
  type DiskImage,
  type ImageInode,
} from "../../../src/image-reader/disk-image.ts";

/** A hostile file claims 16 TiB of holes; whoever reads them all has chosen to. */
const MOST_FILE_BYTES = 1 << 20;
const MOST_BYTES = 8 << 20;

/** Walks an image, each inode once: facts, attributes, targets and contents. @throws ImportError */
export async function readWholeImage<I extends ImageInode>(
  image: DiskImage<I>,
  signal: AbortSignal,
): Promise<void> {
  try {
    const seen = new Set([image.rootNumber]);
    const pending = [image.inode(image.rootNumber)];
    let left = MOST_BYTES;
    for (let inode = pending.pop(); inode !== undefined; inode = pending.pop()) {
      signal.throwIfAborted();
      const type = fileType(inode.mode);
      image.mtime(inode);
      image.xattrs(inode);
      if (type === "symlink") image.target(inode);
      else if (type === "file")
        left -= await readContents(image, inode, Math.min(left, MOST_FILE_BYTES));
      else if (type === "directory") pending.push(...newChildren(image, inode, seen));
      else if (type !== "fifo" && type !== "socket") image.device(inode);
    }
  } finally {
    await image.close();
  }
}

function newChildren<I extends ImageInode>(
  image: DiskImage<I>,
  directory: I,
  seen: Set<number>,
): readonly I[] {
  const children: I[] = [];
  for (const { name, inode } of image.entries(directory)) {
    if (directory.number === image.rootNumber) image.isOwn(name, image.inode(inode));
    if (seen.has(inode)) continue;
    seen.add(inode);
    children.push(image.inode(inode));
  }
  return children;
}

async function readContents<I extends ImageInode>(
  image: DiskImage<I>,
  file: I,
  most: number,
): Promise<number> {
  let bytes = 0;
  for await (const chunk of imageFileContents(image, file)) {
    bytes += chunk.length;
    if (bytes >= most) break;
  }
  return bytes;
}
