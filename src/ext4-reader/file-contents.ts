import { fileType } from "../image-reader/file-type.ts";
import { damaged } from "../image-reader/image-errors.ts";
import { blockRuns } from "./block-runs.ts";
import { inodeBlock, isFastSymlink, type Inode } from "./inode.ts";
import { readBlocks, type Volume } from "./volume.ts";

const CHUNK_BYTES = 256 * 1024;

/**
 * The bytes of a regular file, in chunks of at most 256 KiB that belong to whoever takes them. Holes come as zeros.
 * @throws ImportError ERR_SNAPSHOT_DAMAGED, ERR_STORE_IO
 */
export async function* fileContents(
  volume: Volume,
  inode: Inode,
): AsyncGenerator<Uint8Array, void, undefined> {
  const { blockSize } = volume.superblock;
  let position = 0;
  for (const { logicalBlock, physicalBlock, blocks, written } of blockRuns(volume, inode)) {
    const start = Math.min(logicalBlock * blockSize, inode.sizeBytes);
    const end = Math.min((logicalBlock + blocks) * blockSize, inode.sizeBytes);
    yield* zeros(start - position);
    position = Math.max(position, start);
    if (!written) {
      yield* zeros(end - position);
      position = end;
    }
    while (position < end) {
      const chunk = Buffer.allocUnsafeSlow(Math.min(CHUNK_BYTES, end - position));
      await volume.file.read(chunk, physicalBlock * blockSize + position - start);
      yield chunk;
      position += chunk.length;
    }
  }
  yield* zeros(inode.sizeBytes - position);
}

function* zeros(count: number): Generator<Uint8Array, void, undefined> {
  for (let left = count; left > 0; left -= CHUNK_BYTES) {
    yield new Uint8Array(Math.min(CHUNK_BYTES, left));
  }
}

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
