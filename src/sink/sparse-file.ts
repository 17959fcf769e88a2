import { ftruncateSync } from "node:fs";
import type { ContentPiece } from "../rootfs/tree-reader.ts";
import { writeAll } from "./write-all.ts";
import { cutAtZeroWindows, type ChunkParts } from "./zero-window.ts";

/** What holes are made of, so that whoever counts in blocks sees whole ones. */
const BLOCK = 512;
const ZEROS = Buffer.alloc(BLOCK);

/** Told of every write, in their order; what is between them is a hole. */
export type OnWrite = (bytes: Uint8Array, position: number) => void;

/** Writes pieces one after the other into a new, empty file; long runs of zeros take no room in it. */
export class SparseFile {
  readonly #fd: number;
  readonly #onWrite: OnWrite;
  readonly #parts: ChunkParts = {
    onData: (bytes) => this.#put(bytes),
    onHole: (sizeBytes) => {
      this.#position += sizeBytes;
    },
  };
  #position = 0;
  #writtenEnd = 0;

  /** @param fd stays the caller's */
  constructor(fd: number, onWrite: OnWrite = ignore) {
    this.#fd = fd;
    this.#onWrite = onWrite;
  }

  get sizeBytes(): number {
    return this.#position;
  }

  write(piece: ContentPiece): void {
    if (typeof piece === "number") {
      this.#leaveHole(piece);
      return;
    }
    cutAtZeroWindows(piece, this.#position, this.#parts);
  }

  /** After the last piece. */
  finish(): void {
    if (this.#writtenEnd !== this.#position) ftruncateSync(this.#fd, this.#position);
  }

  #leaveHole(length: number): void {
    const head = Math.min(length, (BLOCK - (this.#position % BLOCK)) % BLOCK);
    const tail = (length - head) % BLOCK;
    this.#put(ZEROS.subarray(0, head));
    this.#position += length - head - tail;
    this.#put(ZEROS.subarray(0, tail));
  }

  #put(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    writeAll(this.#fd, bytes, this.#position);
    this.#onWrite(bytes, this.#position);
    this.#position += bytes.length;
    this.#writtenEnd = this.#position;
  }
}

function ignore(): void {
  // Nobody counts.
}
