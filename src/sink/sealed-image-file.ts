import { ftruncateSync, readSync } from "node:fs";
import { crc32 } from "node:zlib";
import { ImportError } from "../errors.ts";
import { visitMoves, type BlockMoves } from "./block-moves.ts";
import { BLOCK_BYTES, PIECE_BLOCKS } from "./block-placement.ts";
import type { ImageFile } from "./image-file.ts";
import { errnoOf, ioError } from "./io-error.ts";
import { punchHole } from "./posix.ts";
import type { BlockRange } from "./run-plan.ts";
import { writeAll } from "./write-all.ts";
import { RangeColumns, type ChecksummedRanges } from "./written-ranges.ts";

const PIECE_BYTES = PIECE_BLOCKS * BLOCK_BYTES;
/** Some network file systems, and sandboxes that filter system calls. */
const CANNOT_PUNCH = new Set(["EOPNOTSUPP", "ENOTSUP", "ENOSYS", "EPERM"]);
const ZEROS = new Uint8Array(PIECE_BYTES);

export interface SealedImageFileOptions {
  /** Open for reading and writing. */
  readonly fd: number;
  readonly imagePath: string;
  /** What the placers have written, ascending. */
  readonly bodies: ChecksummedRanges;
  /** Whether holes can be punched, as far as one knows; else blocks are overwritten. */
  readonly canPunch: boolean;
  /** Where the file system has its superblock, in block 0. */
  readonly superblock: { readonly position: number; readonly bytes: number };
}

/**
 * The image file while its metadata is written. It frees blocks so that nothing of them can be read any more, keeps the
 * primary superblock back (without it there is no file system yet), and knows the checksum of all that is in the file.
 */
export class SealedImageFile implements ImageFile {
  readonly #options: SealedImageFileOptions;
  #kept = new RangeColumns();
  /** Bodies before this one are in `#kept`, or were released. */
  #next = 0;
  /** Released parts of body range `#next`, ascending; and its bytes, as soon as it has some. */
  #holes: BlockRange[] = [];
  readonly #bytes: Uint8Array = new Uint8Array(PIECE_BYTES);
  #canPunch: boolean;
  readonly #metadata: BlockRange[] = [];
  #superblock: Uint8Array | undefined;

  constructor(options: SealedImageFileOptions) {
    this.#options = options;
    this.#canPunch = options.canPunch;
  }

  write(bytes: Uint8Array, position: number): void {
    const { superblock } = this.#options;
    if (position === superblock.position && bytes.length === superblock.bytes) {
      // Not `slice`: that of a Buffer is no copy.
      this.#superblock = Uint8Array.from(bytes);
      return;
    }
    this.#io(() => writeAll(this.#options.fd, bytes, position));
    const first = Math.floor(position / BLOCK_BYTES);
    const end = Math.ceil((position + bytes.length) / BLOCK_BYTES);
    this.#metadata.push({ first, blocks: end - first });
  }

  release(firstBlock: number, blocks: number): void {
    const range = { first: firstBlock, blocks };
    const end = firstBlock + blocks;
    for (let body = this.#body(); body !== undefined && body.first < end; body = this.#body()) {
      const bodyEnd = body.first + body.blocks;
      if (bodyEnd > firstBlock) this.#cut(body, range);
      // What ends within the body may be followed by another range that does.
      if (bodyEnd > end) break;
      this.#keep(body);
    }
    if (this.#punch(range)) return;
    const { bodies } = this.#options;
    for (let at = lastBefore(bodies, firstBlock); at < bodies.firstBlocks.length; at++) {
      const body = { first: bodies.firstBlocks[at]!, blocks: bodies.blockCounts[at]! };
      if (body.first >= end) break;
      this.#overwrite(intersection(range, body));
    }
  }

  /** Makes zeros of blocks that no body has, whoever wrote them. */
  erase(range: BlockRange): void {
    if (!this.#punch(range)) this.#overwrite(range);
  }

  /**
   * Puts bodies closer together. After all releases, and before anything is written: the file ends behind the bodies.
   * @param beforeEach called before each range that was written; may throw
   * @throws ImportError ERR_OUTPUT_IO also when what is moved is not what was written
   */
  move(moves: BlockMoves, beforeEach: () => void): void {
    this.#keepAll();
    const { firstBlocks, blockCounts, checksums } = this.#kept.sorted();
    this.#kept = new RangeColumns();
    for (const [at, first] of firstBlocks.entries()) {
      beforeEach();
      const range = { first, blocks: blockCounts[at]! };
      const staying = Math.min(range.blocks, Math.max(0, moves.end - first));
      if (staying === range.blocks) this.#kept.add(first, staying, checksums[at]!);
      else this.#moveRange(range, { staying, checksum: checksums[at]!, moves });
    }
    this.#io(() => ftruncateSync(this.#options.fd, moves.end * BLOCK_BYTES));
  }

  /** The superblock that was kept back. Then nothing more is written here. */
  superblock(): Uint8Array {
    if (this.#superblock === undefined) throw new Error("no superblock was written");
    return this.#superblock;
  }

  /**
   * Of everything in the file, as it will be with the superblock. Metadata has one for each block: a block is of a few
   * files, and the 256 blocks of a piece of ten thousand, which would tell nobody what is damaged.
   */
  checksums(): ChecksummedRanges {
    this.#keepAll();
    const blockZero = Buffer.alloc(BLOCK_BYTES);
    blockZero.set(this.superblock(), this.#options.superblock.position);
    this.#kept.add(0, 1, crc32(blockZero));
    for (const range of united(this.#metadata)) {
      for (let done = 0; done < range.blocks; done += PIECE_BLOCKS) {
        const blocks = Math.min(PIECE_BLOCKS, range.blocks - done);
        const first = range.first + done;
        this.#read({ first, blocks });
        for (let at = 0; at < blocks; at++) this.#keepPart({ first: first + at, blocks: 1 }, at);
      }
    }
    return this.#kept.sorted();
  }

  #keepAll(): void {
    for (let body = this.#body(); body !== undefined; body = this.#body()) this.#keep(body);
  }

  /** @param parts.staying blocks of the range that stay where they are, its first ones */
  #moveRange(
    range: BlockRange,
    parts: { readonly staying: number; readonly checksum: number; readonly moves: BlockMoves },
  ): void {
    const { staying, checksum, moves } = parts;
    const bytes = this.#read(range);
    if (crc32(bytes) !== checksum) throw this.#changed(range);
    if (staying > 0) this.#keepPart({ first: range.first, blocks: staying }, 0);
    const moving = { first: range.first + staying, blocks: range.blocks - staying };
    visitMoves(moves, moving, ({ to, offset, blocks }) => {
      const at = (staying + offset) * BLOCK_BYTES;
      const part = bytes.subarray(at, at + blocks * BLOCK_BYTES);
      this.#io(() => writeAll(this.#options.fd, part, to * BLOCK_BYTES));
      this.#kept.add(to, blocks, crc32(part));
    });
  }

  /** The body range that is not ended with. */
  #body(): BlockRange | undefined {
    const { firstBlocks, blockCounts } = this.#options.bodies;
    const first = firstBlocks[this.#next];
    return first === undefined ? undefined : { first, blocks: blockCounts[this.#next]! };
  }

  /** Notes which part of the present body is released, while all of it can still be read. */
  #cut(body: BlockRange, released: BlockRange): void {
    const first = Math.max(body.first, released.first);
    const end = Math.min(body.first + body.blocks, released.first + released.blocks);
    if (this.#holes.length === 0 && end - first < body.blocks) {
      // They are what was written, or the checksums of what is left would vouch for something else.
      const checksum = this.#options.bodies.checksums[this.#next]!;
      if (crc32(this.#read(body)) !== checksum) throw this.#changed(body);
    }
    this.#holes.push({ first, blocks: end - first });
  }

  /** Ends with the present body: what was not released of it is kept, with checksums of its own. */
  #keep(body: BlockRange): void {
    const checksum = this.#options.bodies.checksums[this.#next]!;
    const holes = this.#holes;
    this.#next++;
    this.#holes = [];
    if (holes.length === 0) this.#kept.add(body.first, body.blocks, checksum);
    else for (const part of remainder(body, holes)) this.#keepPart(part, part.first - body.first);
  }

  /** @param offset of the part in the bytes of its body, blocks */
  #keepPart({ first, blocks }: BlockRange, offset: number): void {
    const bytes = this.#bytes.subarray(offset * BLOCK_BYTES, (offset + blocks) * BLOCK_BYTES);
    this.#kept.add(first, blocks, crc32(bytes));
  }

  #read({ first, blocks }: BlockRange): Uint8Array {
    const bytes = this.#bytes.subarray(0, blocks * BLOCK_BYTES);
    this.#io(() => {
      const position = first * BLOCK_BYTES;
      for (let done = 0; done < bytes.length;) {
        const left = bytes.length - done;
        const count = readSync(this.#options.fd, bytes, done, left, position + done);
        if (count === 0) throw this.#changed({ first, blocks });
        done += count;
      }
    });
    return bytes;
  }

  /** @returns whether the file system can do it */
  #punch({ first, blocks }: BlockRange): boolean {
    if (!this.#canPunch) return false;
    try {
      punchHole(this.#options.fd, first * BLOCK_BYTES, blocks * BLOCK_BYTES);
      return true;
    } catch (error) {
      this.#canPunch = false;
      if (CANNOT_PUNCH.has(errnoOf(error) ?? "")) return false;
      throw ioError(error, "free blocks of the disk image", this.#options.imagePath);
    }
  }

  #overwrite({ first, blocks }: BlockRange): void {
    for (let done = 0; done < blocks; done += PIECE_BLOCKS) {
      const bytes = ZEROS.subarray(0, Math.min(PIECE_BLOCKS, blocks - done) * BLOCK_BYTES);
      this.#io(() => writeAll(this.#options.fd, bytes, (first + done) * BLOCK_BYTES));
    }
  }

  #changed({ first }: BlockRange): ImportError {
    const { imagePath } = this.#options;
    return new ImportError(
      "ERR_OUTPUT_IO",
      `what was written to ${imagePath} at byte ${first * BLOCK_BYTES} reads back as something else`,
      {
        hint: "Look at the health of the disk (dmesg), then import again.",
        details: { path: imagePath, offsetBytes: first * BLOCK_BYTES },
      },
    );
  }

  #io<T>(action: () => T): T {
    try {
      return action();
    } catch (error) {
      throw ioError(error, "write the disk image", this.#options.imagePath);
    }
  }
}

/** May have no blocks. */
function intersection(a: BlockRange, b: BlockRange): BlockRange {
  const first = Math.max(a.first, b.first);
  return { first, blocks: Math.max(0, Math.min(a.first + a.blocks, b.first + b.blocks) - first) };
}

/** What holes, ascending and within the range, leave of it. */
function remainder(range: BlockRange, holes: readonly BlockRange[]): readonly BlockRange[] {
  const rest: BlockRange[] = [];
  let at = range.first;
  for (const hole of [...holes, { first: range.first + range.blocks, blocks: 0 }]) {
    if (hole.first > at) rest.push({ first: at, blocks: hole.first - at });
    at = hole.first + hole.blocks;
  }
  return rest;
}

/** The same blocks, ascending, each once. */
function united(ranges: readonly BlockRange[]): readonly BlockRange[] {
  const result: { first: number; blocks: number }[] = [];
  for (const range of ranges.toSorted((a, b) => a.first - b.first)) {
    const last = result.at(-1);
    const overlaps = last !== undefined && range.first <= last.first + last.blocks;
    if (!overlaps) result.push({ ...range });
    else last.blocks = Math.max(last.blocks, range.first + range.blocks - last.first);
  }
  return result;
}

/** The last range that begins at or before a block, or the first. */
function lastBefore({ firstBlocks }: ChecksummedRanges, block: number): number {
  let low = 0;
  let high = firstBlocks.length;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (firstBlocks[middle]! <= block) low = middle;
    else high = middle;
  }
  return low;
}
