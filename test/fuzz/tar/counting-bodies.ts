import { crc32 } from "node:zlib";
import type { BodyTarget } from "../../../src/layer/layer-decoder.ts";
import { demand } from "../fuzz-target.ts";

/** Takes bodies without keeping them, since a hostile one has 16 TiB of holes, and watches the contract of `BodyTarget`. */
export class CountingBodies implements BodyTarget {
  /** A line a body: its size, its data, its holes. */
  readonly seen: string[] = [];
  #size = -1;
  #position = 0;
  #crc = 0;
  #holes = "";

  begin(sizeBytes: number): void {
    demand(this.#size === -1, "no body begins inside another");
    demand(Number.isSafeInteger(sizeBytes) && sizeBytes > 0, "a body has a size above 0");
    this.#size = sizeBytes;
    this.#position = 0;
    this.#crc = 0;
    this.#holes = "";
  }

  write(chunk: Uint8Array): void {
    demand(this.#size > 0 && chunk.length > 0, "bytes are written inside a body");
    this.#crc = crc32(chunk, this.#crc);
    this.#position += chunk.length;
    demand(this.#position <= this.#size, "no body gets more than its size");
  }

  skip(sizeBytes: number): void {
    demand(sizeBytes > 0, "a hole has a size above 0");
    this.#holes += `${this.#position}+${sizeBytes} `;
    this.#position += sizeBytes;
    demand(this.#position <= this.#size, "no hole goes beyond the size of its body");
  }

  end(): number {
    demand(this.#position === this.#size, "a body has the size that was announced");
    this.seen.push(`${this.#size} ${this.#crc} ${this.#holes}`);
    this.#size = -1;
    return this.seen.length - 1;
  }
}
