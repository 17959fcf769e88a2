import { ftruncateSync } from "node:fs";
import type { ContentPiece } from "../rootfs/tree-reader.ts";
import { writeAll } from "./write-all.ts";
import { isZeroWindow, ZERO_WINDOW } from "./zero-window.ts";

/** Writes pieces one after the other into a new, empty file; long runs of zeros take no room in it. */
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
    let dataFrom = 0;
    const firstWindow = (ZERO_WINDOW - (this.#position % ZERO_WINDOW)) % ZERO_WINDOW;
    for (let at = firstWindow; at + ZERO_WINDOW <= piece.length; at += ZERO_WINDOW) {
      if (!isZeroWindow(piece, at)) continue;
      this.#put(piece.subarray(dataFrom, at));
      this.#position += ZERO_WINDOW;
      dataFrom = at + ZERO_WINDOW;
    }
    this.#put(piece.subarray(dataFrom));
  }

  /** After the last piece. */
  finish(): void {
    if (this.#writtenEnd !== this.#position) ftruncateSync(this.#fd, this.#position);
  }

  #put(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    writeAll(this.#fd, bytes, this.#position);
    this.#position += bytes.length;
    this.#writtenEnd = this.#position;
  }
}
