import { BLOCK_BYTES } from "../block-placement.ts";
import type { Extent } from "../body-map.ts";
import type { ByteStream } from "./byte-stream.ts";
import { MAP_ENTRY_BYTES, MOST_CHUNK_BITS, NULL_BLOCK } from "./format.ts";

/** Entries of a map that are written at once. */
const BATCH_ENTRIES = 16_384;

/** How the contents of a file lie. */
export type FileLayout =
  /** In blocks that follow each other. */
  | { readonly kind: "plain"; readonly firstBlock: number }
  /** In chunks of `2 ** chunkBits` blocks, with a map of `chunks` entries. */
  | {
      readonly kind: "chunks";
      readonly chunkBits: number;
      readonly chunks: number;
      readonly extents: readonly Extent[];
    };

/**
 * A file that lies in one piece needs no map. The chunks of another one are as large as its pieces let them be: each chunk
 * is a hole or follows itself on the disk from its first block on, so every border of a piece is one between chunks.
 * @param extents ascending; what none covers is a hole
 */
export function fileLayout(extents: readonly Extent[], sizeBytes: number): FileLayout {
  const blocks = Math.ceil(sizeBytes / BLOCK_BYTES);
  const pieces = joined(extents);
  const [only] = pieces;
  if (blocks === 0) return { kind: "plain", firstBlock: 0 };
  if (pieces.length === 1 && only?.blocks === blocks) {
    return { kind: "plain", firstBlock: only.physicalBlock };
  }
  let chunkBits = Math.min(MOST_CHUNK_BITS, Math.ceil(Math.log2(blocks)));
  for (const { logicalBlock, blocks: length } of pieces) {
    chunkBits = Math.min(chunkBits, trailingZeros(logicalBlock));
    const end = logicalBlock + length;
    // The last chunk may be short.
    if (end < blocks) chunkBits = Math.min(chunkBits, trailingZeros(end));
  }
  return {
    kind: "chunks",
    chunkBits,
    chunks: Math.ceil(blocks / 2 ** chunkBits),
    extents: pieces,
  };
}

export function mapBytesOf(layout: FileLayout): number {
  return layout.kind === "plain" ? 0 : layout.chunks * MAP_ENTRY_BYTES;
}

/** Writes the first block of each chunk. */
export function putChunkMap(
  stream: ByteStream,
  { chunkBits, chunks, extents }: Extract<FileLayout, { kind: "chunks" }>,
): void {
  const bytes = new Uint8Array(Math.min(BATCH_ENTRIES, chunks) * MAP_ENTRY_BYTES);
  const view = new DataView(bytes.buffer);
  let next = 0;
  let filled = 0;
  for (let chunk = 0; chunk < chunks; chunk++) {
    const first = chunk * 2 ** chunkBits;
    while (next < extents.length && endOf(extents[next]!) <= first) next++;
    const extent = extents[next];
    const isHole = extent === undefined || extent.logicalBlock > first;
    const block = isHole ? NULL_BLOCK : extent.physicalBlock + (first - extent.logicalBlock);
    view.setUint32(filled, block, true);
    filled += MAP_ENTRY_BYTES;
    if (filled < bytes.length) continue;
    stream.put(bytes);
    filled = 0;
  }
  stream.put(bytes.subarray(0, filled));
}

/** Extents that follow each other in the file and on the disk as one. */
function joined(extents: readonly Extent[]): readonly Extent[] {
  const pieces: { logicalBlock: number; physicalBlock: number; blocks: number }[] = [];
  for (const extent of extents) {
    const last = pieces.at(-1);
    const follows =
      last !== undefined &&
      last.logicalBlock + last.blocks === extent.logicalBlock &&
      last.physicalBlock + last.blocks === extent.physicalBlock;
    if (follows) last.blocks += extent.blocks;
    else pieces.push({ ...extent });
  }
  return pieces;
}

function endOf({ logicalBlock, blocks }: Extent): number {
  return logicalBlock + blocks;
}

/** Of a number below 2^32; 32 for 0. */
function trailingZeros(number: number): number {
  const bits = number | 0;
  return bits === 0 ? 32 : 31 - Math.clz32(bits & -bits);
}
