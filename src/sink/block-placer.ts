import { closeSync, constants, openSync } from "node:fs";
import { crc32 } from "node:zlib";
import { ImportError } from "../errors.ts";
import {
  BLOCK_BYTES,
  PIECE_BLOCKS,
  type BlockPlacement,
  type BlockPlacerPlan,
} from "./block-placement.ts";
import { bodyRef } from "./body-ref.ts";
import { ioError } from "./io-error.ts";
import { givePieceBuffer, takePieceBuffer } from "./piece-buffers.ts";
import { OpenBody } from "./open-body.ts";
import { StreamMap } from "./run-plan.ts";
import type { BodyPlacer, BodyRef } from "./sink.ts";
import { SparseBodiesBuilder } from "./sparse-bodies.ts";
import { writeAll } from "./write-all.ts";
import { isZero, ZERO_WINDOW } from "./zero-window.ts";

const PIECE_BYTES = PIECE_BLOCKS * BLOCK_BYTES;
const CLOSED = -1;

/**
 * Writes one layer's bodies one after the other, each from a block boundary on, into the blocks of an image file that the
 * layer was dealt (`run-plan.ts`): collected to pieces of 1 MiB, each one write and one checksum. Windows of zeros and
 * what is skipped are left out of the stream; the windows do not depend on how the bytes are cut into chunks, so that equal
 * layers give equal images. Needs neither koffi nor root.
 *
 * A dealt stream that runs out of blocks fails with ERR_DISK_TOO_SMALL: the layers may fit when placed bottom-up. One that
 * is not dealt goes on, and only counts: then the end of the import knows how large the disk would have to be.
 */
export function createBlockPlacer(plan: BlockPlacerPlan): BodyPlacer {
  return new BlockPlacer(plan);
}

class BlockPlacer implements BodyPlacer {
  readonly #plan: BlockPlacerPlan;
  readonly #map: StreamMap;
  readonly #piece: Uint8Array = takePieceBuffer();
  readonly #sparse = new SparseBodiesBuilder();
  #checksums: number[] = [];
  #fd: number;
  /** Bytes of the stream that have been written; a multiple of PIECE_BYTES until the end. */
  #flushed = 0;
  /** Bytes in the piece. */
  #filled = 0;

  readonly #body: OpenBody;
  #firstBlock = 0;
  #hasHoles = false;
  /** Zeros since the beginning of a window that are not in the piece yet: they may become a hole. */
  #zeros = 0;
  /** Where the segment that grows begins in the file, bytes; and in the stream, bytes. */
  #segmentStart = 0;
  #segmentStream = 0;

  constructor(plan: BlockPlacerPlan) {
    this.#plan = plan;
    this.#body = new OpenBody(plan.layer);
    this.#map = new StreamMap(plan.layout);
    this.#fd = this.#io(() => openSync(plan.imagePath, constants.O_WRONLY | constants.O_NOFOLLOW));
  }

  begin(sizeBytes: number): void {
    this.#body.begin(sizeBytes);
    this.#firstBlock = this.#streamBytes() / BLOCK_BYTES;
    this.#hasHoles = false;
    this.#zeros = 0;
    this.#segmentStart = 0;
    this.#segmentStream = this.#streamBytes();
    this.#sparse.begin();
  }

  write(chunk: Uint8Array): void {
    const start = this.#body.advance(chunk.length);
    if (this.#body.size < ZERO_WINDOW) {
      this.#append(chunk, 0, chunk.length);
      return;
    }
    for (let at = 0; at < chunk.length;) {
      const inWindow = (start + at) % ZERO_WINDOW;
      const end = Math.min(chunk.length, at + ZERO_WINDOW - inWindow);
      // Only what is zero from its beginning on can become a hole.
      if (this.#zeros === inWindow && isZero(chunk, at, end)) this.#addZeros(end - at, start + end);
      else this.#addData(chunk, at, end);
      at = end;
    }
  }

  skip(sizeBytes: number): void {
    if (sizeBytes === 0) return;
    const holeStart = this.#body.advance(sizeBytes) - this.#zeros;
    const { position: end, size } = this.#body;
    this.#zeros = 0;
    const firstBlock = Math.ceil(holeStart / BLOCK_BYTES);
    // The last block of the file may be short.
    const endBlock = Math.floor((end === size ? ceilToBlock(end) : end) / BLOCK_BYTES);
    if (endBlock <= firstBlock) {
      this.#appendZeros(end - holeStart);
      return;
    }
    this.#appendZeros(firstBlock * BLOCK_BYTES - holeStart);
    this.#leaveHole(firstBlock * BLOCK_BYTES, endBlock * BLOCK_BYTES);
    if (end > endBlock * BLOCK_BYTES) this.#appendZeros(end - endBlock * BLOCK_BYTES);
  }

  end(): BodyRef {
    this.#body.end();
    this.#settleZeros();
    this.#padToBlock();
    const { firstBody } = this.#plan;
    if (!this.#hasHoles) return bodyRef(firstBody, this.#firstBlock, false);
    this.#endSegment();
    return bodyRef(firstBody, this.#sparse.end(this.#firstBlock), true);
  }

  finish(): BlockPlacement {
    this.#flush();
    return {
      kind: "blocks",
      blocks: Math.ceil(this.#streamBytes() / BLOCK_BYTES),
      checksums: Uint32Array.from(this.#checksums),
      sparse: this.#sparse.finish(),
    };
  }

  close(): void {
    const fd = this.#fd;
    this.#fd = CLOSED;
    if (fd === CLOSED) return;
    givePieceBuffer(this.#piece);
    closeSync(fd);
  }

  #streamBytes(): number {
    return this.#flushed + this.#filled;
  }

  #addData(chunk: Uint8Array, from: number, end: number): void {
    if (this.#zeros > 0) {
      this.#appendZeros(this.#zeros);
      this.#zeros = 0;
    }
    this.#append(chunk, from, end);
  }

  /** @param end where they end in the file */
  #addZeros(bytes: number, end: number): void {
    this.#zeros += bytes;
    if (this.#zeros < ZERO_WINDOW) return;
    this.#zeros = 0;
    this.#leaveHole(end - ZERO_WINDOW, end);
  }

  /** Zeros at the end of the file, in a window that it does not fill. */
  #settleZeros(): void {
    this.#appendZeros(this.#zeros);
    this.#zeros = 0;
  }

  /** `from` and `end`: bytes of the file, at block boundaries; what precedes is in the piece. */
  #leaveHole(from: number, end: number): void {
    this.#hasHoles = true;
    if (from > this.#segmentStart) this.#endSegment();
    this.#segmentStart = end;
    this.#segmentStream = this.#streamBytes();
  }

  #endSegment(): void {
    const blocks = (this.#streamBytes() - this.#segmentStream) / BLOCK_BYTES;
    if (blocks > 0) this.#sparse.addSegment(this.#segmentStart / BLOCK_BYTES, blocks);
  }

  #append(chunk: Uint8Array, from: number, end: number): void {
    for (let at = from; at < end;) {
      const count = Math.min(end - at, PIECE_BYTES - this.#filled);
      this.#piece.set(chunk.subarray(at, at + count), this.#filled);
      this.#take(count);
      at += count;
    }
  }

  #appendZeros(bytes: number): void {
    for (let left = bytes; left > 0;) {
      const count = Math.min(left, PIECE_BYTES - this.#filled);
      this.#piece.fill(0, this.#filled, this.#filled + count);
      this.#take(count);
      left -= count;
    }
  }

  #padToBlock(): void {
    const over = this.#filled % BLOCK_BYTES;
    if (over > 0) this.#appendZeros(BLOCK_BYTES - over);
  }

  #take(bytes: number): void {
    this.#filled += bytes;
    if (this.#filled === PIECE_BYTES) this.#flush();
  }

  /** Writes the piece; at the end of the stream only as far as it is used. */
  #flush(): void {
    const first = this.#flushed / BLOCK_BYTES;
    const blocks = this.#filled / BLOCK_BYTES;
    this.#flushed += this.#filled;
    this.#filled = 0;
    const room = this.#map.capacityBlocks - first;
    if (blocks > room && this.#plan.layout.deal !== undefined) throw this.#noRoom();
    const fitting = Math.min(blocks, Math.max(0, room));
    if (fitting === 0) return;
    this.#plan.written[0] = Math.max(this.#plan.written[0]!, first + fitting);
    let at = 0;
    this.#map.extents(first, fitting, (block, count) => {
      const bytes = this.#piece.subarray(at, at + count * BLOCK_BYTES);
      at += bytes.length;
      this.#checksums.push(crc32(bytes));
      this.#io(() => writeAll(this.#fd, bytes, block * BLOCK_BYTES));
    });
  }

  #noRoom(): ImportError {
    const layer = this.#plan.layer + 1;
    return new ImportError("ERR_DISK_TOO_SMALL", `layer ${layer} outgrows its share of the disk`, {
      hint: "Give the image a larger disk with --disk_mb.",
      details: { layer },
    });
  }

  #io<T>(action: () => T): T {
    try {
      return action();
    } catch (error) {
      throw ioError(error, "write the disk image", this.#plan.imagePath);
    }
  }
}

function ceilToBlock(bytes: number): number {
  return Math.ceil(bytes / BLOCK_BYTES) * BLOCK_BYTES;
}
