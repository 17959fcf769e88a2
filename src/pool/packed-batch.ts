import { constants, zstdCompressSync, zstdDecompressSync } from "node:zlib";
import type { EntryBatch } from "../layer/entry-batch.ts";

/** A batch that waits: as it is, or as one compressed run of bytes. */
export type HeldBatch = EntryBatch | PackedBatch;

/** The columns of a batch one after the other, the widest elements first, then its bytes; all of it one zstd frame. */
export interface PackedBatch {
  readonly count: number;
  /** Of `EntryBatch.bytes`. */
  readonly byteCount: number;
  readonly packed: Uint8Array;
}

/** Bytes of an element of a column; those of two bytes and of one come last. */
const WIDE = 8;
const WORD = 4;
/** Of all columns, an entry. */
const ENTRY_BYTES = 3 * WIDE + 11 * WORD + 2 + 1;
/** Of node:zlib, for its output. */
const LEAST_CHUNK = 64;
/** Fastest: paths and columns repeat so much that it leaves a tenth of an ordinary batch. */
const PARAMS = { [constants.ZSTD_c_compressionLevel]: 1 };

declare global {
  /** ES2024, in Node since version 21; the compiler's `lib` is ES2023. */
  interface ArrayBuffer {
    transfer(byteLength: number): ArrayBuffer;
  }
}

/** What a batch takes in memory, bytes. */
export function heldBytes(batch: HeldBatch): number {
  if ("packed" in batch) return batch.packed.length;
  return columnsOf(batch).reduce((sum, { byteLength }) => sum + byteLength, 0);
}

/** @param batch is of no more use afterwards */
export function packBatch(batch: EntryBatch): PackedBatch {
  const { count, bytes } = batch;
  const byteCount = bytes.length;
  const columns = columnsOf(batch);
  const whole = Buffer.concat(columns.map(bytesOf));
  for (const { buffer } of columns) free(buffer);
  // One piece of output: `ZSTD_COMPRESSBOUND`, roughly.
  const chunkSize = whole.length + (whole.length >> 7) + 1024;
  const output = zstdCompressSync(whole, { params: PARAMS, chunkSize });
  // A copy, cut to what it has: what waits is counted by its length.
  const packed = Uint8Array.from(output);
  free(whole.buffer);
  free(output.buffer);
  return { count, byteCount, packed };
}

/**
 * Gives a buffer back at once. Left to the collector, those of a layer pile up to hundreds of megabytes: it does not know
 * that there is memory behind them to be short of.
 */
function free(buffer: ArrayBufferLike): void {
  // Small Buffers share one.
  if (buffer instanceof ArrayBuffer && buffer.byteLength > Buffer.poolSize) buffer.transfer(0);
}

export function unpackBatch({ count, byteCount, packed }: PackedBatch): EntryBatch {
  const chunkSize = Math.max(LEAST_CHUNK, count * ENTRY_BYTES + byteCount + 1);
  const { buffer, byteOffset } = zstdDecompressSync(packed, { chunkSize });
  // A Buffer of the pool may lie anywhere; columns need their alignment.
  const whole = byteOffset % WIDE === 0 ? buffer : buffer.slice(byteOffset);
  let at = byteOffset % WIDE === 0 ? byteOffset : 0;
  const skip = (bytes: number): number => (at += bytes) - bytes;
  const wide = (): Float64Array => new Float64Array(whole, skip(count * WIDE), count);
  const words = (): Uint32Array => new Uint32Array(whole, skip(count * WORD), count);
  return {
    count,
    mtimeSeconds: wide(),
    sizes: wide(),
    bodies: wide(),
    uids: words(),
    gids: words(),
    mtimeNanoseconds: words(),
    deviceMajors: words(),
    deviceMinors: words(),
    pathOffsets: words(),
    pathLengths: words(),
    linkOffsets: words(),
    linkLengths: words(),
    xattrOffsets: words(),
    xattrLengths: words(),
    modes: new Uint16Array(whole, skip(count * 2), count),
    types: new Uint8Array(whole, skip(count), count),
    bytes: new Uint8Array(whole, skip(byteCount), byteCount),
  };
}

/** In the order of `unpackBatch`. */
function columnsOf(batch: EntryBatch): readonly ArrayBufferView[] {
  return [
    batch.mtimeSeconds,
    batch.sizes,
    batch.bodies,
    batch.uids,
    batch.gids,
    batch.mtimeNanoseconds,
    batch.deviceMajors,
    batch.deviceMinors,
    batch.pathOffsets,
    batch.pathLengths,
    batch.linkOffsets,
    batch.linkLengths,
    batch.xattrOffsets,
    batch.xattrLengths,
    batch.modes,
    batch.types,
    batch.bytes,
  ];
}

function bytesOf({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}

/** The batches of a layer for whoever merges it: each pass unpacks them anew, one at a time, and each is gone after its turn. */
export class LayerBatches implements Iterable<EntryBatch> {
  readonly #held: readonly HeldBatch[];
  readonly #afterEach: () => void;

  /** @param afterEach called when a batch has had its turn */
  constructor(held: readonly HeldBatch[], afterEach: () => void = () => undefined) {
    this.#held = held;
    this.#afterEach = afterEach;
  }

  *[Symbol.iterator](): Generator<EntryBatch> {
    for (const held of this.#held) {
      if (!("packed" in held)) yield held;
      else {
        const batch = unpackBatch(held);
        yield batch;
        free(batch.bytes.buffer);
      }
      this.#afterEach();
    }
  }
}
