import { limitFault } from "./fault.ts";
import { PaxRecords } from "./pax-records.ts";
import { TypeFlag } from "./tar-header.ts";
import type { LayerFault } from "./fault.ts";
import type { Limits } from "../limits.ts";

const FIRST_CAPACITY = 4096;
const NO_BYTES = new Uint8Array(0);

/**
 * The headers that say more about the entry after them: pax `x`, GNU long name `L` and long link `K`. A second one of a
 * kind replaces the first. A global one (`g`) applies to nothing, and as in Go nothing before it reaches the next entry.
 */
export class ExtensionHeaders {
  readonly pax: PaxRecords = new PaxRecords();
  /** Bytes of `L` and `K` up to their first NUL; empty for none. */
  longName: Uint8Array = NO_BYTES;
  longLink: Uint8Array = NO_BYTES;
  /** One waits for its entry. */
  pending = false;
  readonly #fault: LayerFault;
  readonly #limits: Limits;
  readonly #buffers = new Map<number, Uint8Array>();
  /** Of the header that is being read. */
  #typeflag = 0;
  #buffer: Uint8Array = NO_BYTES;
  #size = 0;
  #filled = 0;
  /** Since the last entry. */
  #count = 0;

  constructor(fault: LayerFault, limits: Limits) {
    this.#fault = fault;
    this.#limits = limits;
  }

  /** The header of one was read, and a body of `size` bytes follows. */
  begin(typeflag: number, size: number): void {
    const limits = this.#limits;
    if (++this.#count > limits.extensionHeaders) {
      const value = this.#count;
      const problem = `${value} extension headers before one entry`;
      throw limitFault(this.#fault, limits, { limit: "extensionHeaders", value, problem });
    }
    if (size > limits.extensionHeaderBytes) {
      const problem = `an extension header of ${size} bytes`;
      throw limitFault(this.#fault, limits, {
        limit: "extensionHeaderBytes",
        value: size,
        problem,
      });
    }
    this.#typeflag = typeflag;
    this.#size = size;
    this.#filled = 0;
    this.#buffer = this.#bufferFor(typeflag, size);
  }

  /** Each kind keeps its buffer: a long name and pax records may wait for the same entry. */
  #bufferFor(typeflag: number, size: number): Uint8Array {
    const present = this.#buffers.get(typeflag);
    if (present !== undefined && present.length >= size) return present;
    const buffer = new Uint8Array(Math.max(size, FIRST_CAPACITY));
    this.#buffers.set(typeflag, buffer);
    return buffer;
  }

  /** Takes the body's bytes out of `chunk`. @returns where they end */
  take(chunk: Uint8Array, at: number): number {
    const end = Math.min(chunk.length, at + this.#size - this.#filled);
    this.#buffer.set(chunk.subarray(at, end), this.#filled);
    this.#filled += end - at;
    return end;
  }

  get complete(): boolean {
    return this.#filled === this.#size;
  }

  /** The body is complete. @throws ImportError ERR_LAYER_CORRUPT for malformed records */
  finish(): void {
    const body = this.#buffer.subarray(0, this.#size);
    this.pending = true;
    switch (this.#typeflag) {
      case TypeFlag.gnuLongName:
        this.longName = upToNul(body);
        break;
      case TypeFlag.gnuLongLink:
        this.longLink = upToNul(body);
        break;
      default: {
        const problem = this.pax.parse(body);
        if (problem !== undefined) {
          throw this.#fault("ERR_LAYER_CORRUPT", `a malformed pax record: ${problem}`);
        }
        if (this.#typeflag === TypeFlag.paxGlobal) this.#forget();
      }
    }
  }

  /** The entry they were for has been read. */
  clear(): void {
    if (this.pending) this.#forget();
    this.#count = 0;
  }

  #forget(): void {
    this.pax.clear();
    this.longName = NO_BYTES;
    this.longLink = NO_BYTES;
    this.pending = false;
  }
}

/** Whether the header's body is about the next entry (or, if global, about none). */
export function isExtension(typeflag: number): boolean {
  return (
    typeflag === TypeFlag.pax ||
    typeflag === TypeFlag.paxGlobal ||
    typeflag === TypeFlag.gnuLongName ||
    typeflag === TypeFlag.gnuLongLink
  );
}

function upToNul(bytes: Uint8Array): Uint8Array {
  const nul = bytes.indexOf(0);
  return nul < 0 ? bytes : bytes.subarray(0, nul);
}
