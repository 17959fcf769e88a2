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
  const chunks = new ChunkReader(file, recorded);
  let checkedBytes = 0;
  for (const [range, firstBlock] of firstBlocks.entries()) {
    const blocks = blockCounts[range]!;
    const end = (firstBlock + blocks) * blockBytes;
    let checksum = 0;
    for (let at = firstBlock * blockBytes; at < end && end <= file.sizeBytes;) {
      const chunk = await chunks.read(range, at, end);
      checksum = crc32(chunk, checksum);
      checkedBytes += chunk.length;
      at += chunk.length;
      await callbacks.breathe();
    }
    if (end > file.sizeBytes || checksum !== checksums[range]) {
      callbacks.onMismatch(firstBlock, blocks);
    }
  }
  return checkedBytes;
}

/** Ranges of one block each, which metadata has, are read many at once when they are neighbours. */
class ChunkReader {
  readonly #file: ImageFile;
  readonly #recorded: RecordedBytes;
  readonly #buffer = Buffer.allocUnsafe(CHUNK_BYTES);
  /** In the file: what the buffer holds. */
  #start = 0;
  #end = 0;

  constructor(file: ImageFile, recorded: RecordedBytes) {
    this.#file = file;
    this.#recorded = recorded;
  }

  /** @returns bytes from `at` on, at least one, none from `end` on; borrowed until the next call */
  async read(range: number, at: number, end: number): Promise<Buffer> {
    if (at < this.#start || at >= this.#end) {
      const length = Math.min(CHUNK_BYTES, this.#neighboursEnd(range, at) - at);
      await this.#file.read(this.#buffer.subarray(0, length), at);
      [this.#start, this.#end] = [at, at + length];
    }
    return this.#buffer.subarray(at - this.#start, Math.min(end, this.#end) - this.#start);
  }

  /** Where the ranges end that follow this one without a gap, as far as the file and one chunk go. */
  #neighboursEnd(range: number, at: number): number {
    const { blockBytes, firstBlocks, blockCounts } = this.#recorded;
    let end = firstBlocks[range]! + blockCounts[range]!;
    for (let next = range + 1; firstBlocks[next] === end; next++) {
      if (end * blockBytes >= at + CHUNK_BYTES) break;
      end += blockCounts[next]!;
    }
    return Math.min(end * blockBytes, this.#file.sizeBytes);
  }
}
