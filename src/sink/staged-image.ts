import { closeSync, constants, ftruncateSync, openSync, unlinkSync } from "node:fs";
import { ImportError } from "../errors.ts";
import { errnoOf, ioError } from "./io-error.ts";

const { O_RDWR, O_WRONLY, O_CREAT, O_EXCL, O_TRUNC, O_NOFOLLOW } = constants;

/** The file of a disk image in its staging place, before anything is in it. */
export class StagedImage {
  readonly #path: string;
  readonly #sizeBytes: number;
  #isMade = false;

  /** @param sizeBytes all of it a hole */
  constructor(path: string, sizeBytes: number) {
    this.#path = path;
    this.#sizeBytes = sizeBytes;
  }

  /** @throws ImportError ERR_OUTPUT_EXISTS, ERR_NOT_PERMITTED, ERR_OUTPUT_IO, ERR_DISK_FULL */
  make(): void {
    this.#io("make the disk image", () => {
      try {
        const fd = openSync(this.#path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
        this.#isMade = true;
        this.#resize(fd);
      } catch (error) {
        if (errnoOf(error) !== "EEXIST") throw error;
        throw new ImportError("ERR_OUTPUT_EXISTS", `${this.#path} exists already`, {
          hint: "Remove it, or choose another place with --output.",
          details: { path: this.#path },
        });
      }
    });
  }

  /** As it was made. */
  empty(): void {
    this.#io("empty the disk image", () => {
      this.#resize(openSync(this.#path, O_WRONLY | O_TRUNC | O_NOFOLLOW));
    });
  }

  /** What was made here; any number of times. */
  remove(): void {
    if (!this.#isMade) return;
    this.#isMade = false;
    this.#io("remove what was written", () => {
      try {
        unlinkSync(this.#path);
      } catch (error) {
        if (errnoOf(error) !== "ENOENT") throw error;
      }
    });
  }

  /** Closes the file. */
  #resize(fd: number): void {
    try {
      ftruncateSync(fd, this.#sizeBytes);
    } finally {
      closeSync(fd);
    }
  }

  #io<T>(doing: string, action: () => T): T {
    try {
      return action();
    } catch (error) {
      throw ioError(error, doing, this.#path);
    }
  }
}
