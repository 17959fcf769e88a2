import { damaged } from "../image-reader/image-errors.ts";
import { openImageFile, type ImageFile } from "../image-reader/image-file.ts";
import { parseDescriptor, primaryDescriptorBlock, type GroupDescriptor } from "./block-groups.ts";
import { SB, SUPERBLOCK_AT, SUPERBLOCK_BYTES } from "./format.ts";
import { hasMagic, parseSuperblock, superblockChecksum, type Superblock } from "./superblock.ts";

/** An ext4 file system inside an image file, open for reading. */
export interface Volume {
  readonly file: ImageFile;
  readonly superblock: Superblock;
  /** The whole descriptor table: 64 bytes a group, 8 MiB for the largest disk. */
  readonly descriptors: Buffer;
}

/**
 * @throws ImportError ERR_STORE_IO, ERR_SNAPSHOT_DAMAGED (no ext4 image, a wrong superblock, a cut image),
 *   ERR_SNAPSHOT_UNSUPPORTED (features that this reader does not know)
 */
export async function openVolume(imagePath: string): Promise<Volume> {
  const file = await openImageFile(imagePath);
  try {
    const bytes = readSuperblockBytes(file);
    const superblock = parseSuperblock(bytes, imagePath);
    if (superblock.hasChecksums && superblockChecksum(bytes) !== bytes.readUInt32LE(SB.checksum)) {
      throw damaged(imagePath, "its superblock has a wrong checksum");
    }
    return volumeOf(file, superblock);
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** @throws ImportError ERR_SNAPSHOT_DAMAGED when there is no ext4 superblock */
export function readSuperblockBytes(file: ImageFile): Buffer {
  const bytes = Buffer.alloc(SUPERBLOCK_BYTES);
  if (file.sizeBytes < SUPERBLOCK_AT + SUPERBLOCK_BYTES) {
    throw damaged(file.path, `it has ${file.sizeBytes} bytes, too few for a file system`);
  }
  file.readSync(bytes, SUPERBLOCK_AT);
  if (!hasMagic(bytes)) throw damaged(file.path, "it has no ext4 superblock");
  return bytes;
}

/** Reads the descriptor table. @throws ImportError ERR_SNAPSHOT_DAMAGED when the file is smaller than its file system */
export function volumeOf(file: ImageFile, superblock: Superblock): Volume {
  const { blocks, blockSize, descriptorBlocks } = superblock;
  if (file.sizeBytes < blocks * blockSize) {
    const text = `it has ${file.sizeBytes} bytes and its file system ${blocks * blockSize}`;
    throw damaged(file.path, text, { sizeBytes: file.sizeBytes });
  }
  const descriptors = Buffer.alloc(descriptorBlocks * blockSize);
  for (let at = 0; at < descriptorBlocks; at++) {
    const block = primaryDescriptorBlock(superblock, at);
    if (block >= blocks) throw damaged(file.path, "its descriptors lie outside of it", { block });
    file.readSync(descriptors.subarray(at * blockSize, (at + 1) * blockSize), block * blockSize);
  }
  return { file, superblock, descriptors };
}

export function descriptorBytes({ superblock, descriptors }: Volume, group: number): Buffer {
  const { descriptorSize } = superblock;
  return descriptors.subarray(group * descriptorSize, (group + 1) * descriptorSize);
}

export function descriptorOf(volume: Volume, group: number): GroupDescriptor {
  return parseDescriptor(volume.superblock, descriptorBytes(volume, group));
}

/** Blocks that a caller may read: on the disk, and not the boot block. */
export function isBlockRange(superblock: Superblock, start: number, count: number): boolean {
  return start >= Math.max(1, superblock.firstDataBlock) && start + count <= superblock.blocks;
}

/** @param start checked with `isBlockRange` @returns a new buffer */
export function readBlocks({ file, superblock }: Volume, start: number, count = 1): Buffer {
  const bytes = Buffer.allocUnsafe(count * superblock.blockSize);
  file.readSync(bytes, start * superblock.blockSize);
  return bytes;
}
