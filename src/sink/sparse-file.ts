import { ftruncateSync } from "node:fs";
import type { ContentPiece } from "../rootfs/tree-reader.ts";
import { writeAll } from "./write-all.ts";

/** Writes pieces one after the other into a new, empty file; a run of zeros that is a number takes no room in it. */
export class SparseFile {
  readonly #fd: number;
  #position = 0;
  #writtenEnd = 0;

  /** @param fd stays the caller's */
  constructor(fd: number) {
    this.#fd = fd;
  }

  get sizeBytes(): number {
    return this.#position;
  }

  write(piece: ContentPiece): void {
    if (typeof piece === "number") {
      this.#position += piece;
      return;
    }
    writeAll(this.#fd, piece, this.#position);
    this.#position += piece.length;
    this.#writtenEnd = this.#position;
  }

  /** After the last piece. */
  finish(): void {
    if (this.#writtenEnd !== this.#position) ftruncateSync(this.#fd, this.#position);
  }
}
