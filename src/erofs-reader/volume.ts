import { openImageFile, type ImageFile } from "../image-reader/image-file.ts";
import { damaged } from "../image-reader/image-errors.ts";
import { SUPERBLOCK_AT, SUPERBLOCK_BYTES } from "./format.ts";
import { MetadataWindows } from "./metadata-windows.ts";
import {
  blockSizeOf,
  checkedLength,
  checksumHolds,
  hasMagic,
  parseSuperblock,
  type ErofsSuperblock,
} from "./superblock.ts";

/** An EROFS file system inside an image file, open for reading. */
export interface ErofsVolume {
  readonly file: ImageFile;
  readonly superblock: ErofsSuperblock;
  /** Of the file system; the file has as many at least. */
  readonly sizeBytes: number;
  /** Small reads inside of `sizeBytes`; the bytes are not to be written to. */
  readonly metadata: MetadataWindows;
}

/**
 * @throws ImportError ERR_STORE_IO, ERR_SNAPSHOT_DAMAGED (no EROFS image, a wrong superblock, a cut image),
 *   ERR_SNAPSHOT_UNSUPPORTED (features that this reader does not know: compression, other devices …)
 */
export async function openErofs(imagePath: string): Promise<ErofsVolume> {
  const file = await openImageFile(imagePath);
  try {
    const bytes = readSuperblockBytes(file);
    const superblock = parseSuperblock(bytes, imagePath);
    if (superblock.hasChecksum && !checksumHolds(bytes)) {
      throw damaged(imagePath, "its superblock has a wrong checksum");
    }
    return erofsVolumeOf(file, superblock);
  } catch (error) {
    await file.close();
    throw error;
  }
}

/**
 * The superblock and what its checksum covers, as far as its block size is sound and the file is long enough.
 * @throws ImportError ERR_SNAPSHOT_DAMAGED when there is no EROFS superblock
 */
export function readSuperblockBytes(file: ImageFile): Buffer {
  if (file.sizeBytes < SUPERBLOCK_AT + SUPERBLOCK_BYTES) {
    throw damaged(file.path, `it has ${file.sizeBytes} bytes, too few for a file system`);
  }
  const head = Buffer.alloc(SUPERBLOCK_BYTES);
  file.readSync(head, SUPERBLOCK_AT);
  if (!hasMagic(head)) throw damaged(file.path, "it has no EROFS superblock");
  const length = checkedLength(blockSizeOf(head) ?? 0);
  if (length <= head.length || file.sizeBytes < SUPERBLOCK_AT + length) return head;
  const bytes = Buffer.alloc(length);
  file.readSync(bytes, SUPERBLOCK_AT);
  return bytes;
}

/** @throws ImportError ERR_SNAPSHOT_DAMAGED when the file is smaller than its file system */
export function erofsVolumeOf(file: ImageFile, superblock: ErofsSuperblock): ErofsVolume {
  const sizeBytes = superblock.blocks * superblock.blockSize;
  if (file.sizeBytes < sizeBytes) {
    const text = `it has ${file.sizeBytes} bytes and its file system ${sizeBytes}`;
    throw damaged(file.path, text, { sizeBytes: file.sizeBytes });
  }
  return { file, superblock, sizeBytes, metadata: new MetadataWindows(file, sizeBytes) };
}
