import { ImportError } from "../errors.ts";

/**
 * The body that a placer has begun, and how far it has come: one after the other, each exactly as long as its header says.
 * What all `BodyPlacer`s have in common, wherever they put the bytes.
 */
export class OpenBody {
  readonly #layer: number;
  #number = -1;
  #size = 0;
  #position = 0;
  #isOpen = false;

  /** @param layer 0 is the lowest */
  constructor(layer: number) {
    this.#layer = layer;
  }

  /** The bodies of a placer count from 0; also after the end, until the next begins. */
  get number(): number {
    return this.#number;
  }

  get size(): number {
    return this.#size;
  }

  /** Bytes of it that have been placed or skipped. */
  get position(): number {
    return this.#position;
  }

  begin(sizeBytes: number): void {
    if (this.#isOpen) throw new Error("a body begins before the one before has ended");
    this.#isOpen = true;
    this.#number++;
    this.#size = sizeBytes;
    this.#position = 0;
  }

  /** @returns the position before. @throws ImportError ERR_LAYER_CORRUPT past the size */
  advance(sizeBytes: number): number {
    if (!this.#isOpen) throw new Error("no body has begun");
    const start = this.#position;
    this.#position += sizeBytes;
    if (this.#position > this.#size) throw this.#wrongSize();
    return start;
  }

  /** @throws ImportError ERR_LAYER_CORRUPT before the size */
  end(): void {
    if (!this.#isOpen) throw new Error("no body has begun");
    if (this.#position !== this.#size) throw this.#wrongSize();
    this.#isOpen = false;
  }

  #wrongSize(): ImportError {
    const layer = this.#layer + 1;
    const message = `body ${this.#number} of layer ${layer} has ${this.#position} bytes, its header says ${this.#size}`;
    return new ImportError("ERR_LAYER_CORRUPT", message, {
      hint: "The image is broken; ask its publisher to rebuild it.",
      details: { layer, sizeBytes: this.#size },
    });
  }
}
