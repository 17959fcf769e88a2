import { crc32 } from "node:zlib";
import type { ImageFile } from "./image-file.ts";

/** Ranges of blocks and what their bytes were when the image was made; ascending and apart from each other. */
export interface RecordedBytes {
  readonly blockBytes: number;
  readonly firstBlocks: Uint32Array;
  readonly blockCounts: Uint32Array;
  /** CRC-32 as zlib has it. */
  readonly checksums: Uint32Array;
}

const CHUNK_BYTES = 1 << 20;

/**
 * Reads everything that was recorded. Blocks that were not are free, and not looked at.
 * @param breathe called between chunks
 * @param onMismatch gets the first block and how many there are; once a range
 * @returns how many bytes were read
 * @throws ImportError ERR_STORE_IO
 */
export async function checkRecordedBytes(
  file: ImageFile,
  recorded: RecordedBytes,
  callbacks: {
    readonly breathe: () => Promise<void>;
    readonly onMismatch: (firstBlock: number, blocks: number) => void;
  },
): Promise<number> {
  const { blockBytes, firstBlocks, blockCounts, checksums } = recorded;
  const buffer = Buffer.allocUnsafe(CHUNK_BYTES);
  let checkedBytes = 0;
  for (const [range, firstBlock] of firstBlocks.entries()) {
    const blocks = blockCounts[range]!;
    const start = firstBlock * blockBytes;
    const end = start + blocks * blockBytes;
    let checksum = 0;
    for (let at = start; at < end && end <= file.sizeBytes; at += CHUNK_BYTES) {
      const chunk = buffer.subarray(0, Math.min(CHUNK_BYTES, end - at));
      await file.read(chunk, at);
      checksum = crc32(chunk, checksum);
      checkedBytes += chunk.length;
      await callbacks.breathe();
    }
    if (end > file.sizeBytes || checksum !== checksums[range]) {
      callbacks.onMismatch(firstBlock, blocks);
    }
  }
  return checkedBytes;
}
