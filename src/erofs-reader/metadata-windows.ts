import type { ImageFile } from "../image-reader/image-file.ts";

const WINDOW_BYTES = 1 << 15;
const MOST_WINDOWS = 32;

/** Reads of some bytes each, mostly near one another: through a few windows of the file, 1 MiB in all. */
export class MetadataWindows {
  readonly #file: ImageFile;
  readonly #sizeBytes: number;
  /** By number, the one used last at the end. */
  readonly #windows = new Map<number, Buffer>();

  /** @param sizeBytes of the file system, no more than the file has */
  constructor(file: ImageFile, sizeBytes: number) {
    this.#file = file;
    this.#sizeBytes = sizeBytes;
  }

  /** @param length what lies in the file system @returns bytes that are valid for good, not to be written to */
  read(position: number, length: number): Buffer {
    const number = Math.floor(position / WINDOW_BYTES);
    const from = position - number * WINDOW_BYTES;
    if (from + length <= WINDOW_BYTES) return this.#window(number).subarray(from, from + length);
    const bytes = Buffer.allocUnsafeSlow(length);
    this.#file.readSync(bytes, position);
    return bytes;
  }

  #window(number: number): Buffer {
    const known = this.#windows.get(number);
    if (known !== undefined) {
      this.#windows.delete(number);
      this.#windows.set(number, known);
      return known;
    }
    const start = number * WINDOW_BYTES;
    const bytes = Buffer.allocUnsafeSlow(Math.min(WINDOW_BYTES, this.#sizeBytes - start));
    this.#file.readSync(bytes, start);
    this.#windows.set(number, bytes);
    if (this.#windows.size > MOST_WINDOWS) {
      for (const oldest of this.#windows.keys()) {
        this.#windows.delete(oldest);
        break;
      }
    }
    return bytes;
  }
}
