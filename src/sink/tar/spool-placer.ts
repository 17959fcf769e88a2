import { closeSync, openSync } from "node:fs";
import { ImportError } from "../../errors.ts";
import { ioError } from "../io-error.ts";
import { givePieceBuffer, PIECE_BUFFER_BYTES, takePieceBuffer } from "../piece-buffers.ts";
import { OpenBody } from "../open-body.ts";
import type { BodyPlacer, BodyRef, LayerPlacement, SpoolPlacerPlan } from "../sink.ts";
import { writeAll } from "../write-all.ts";
import { cutAtZeroWindows, ZERO_WINDOW, type ChunkParts } from "../zero-window.ts";
import { MOST_SPOOL_BYTES, NUMBER_BYTES, spoolBody } from "./spool-body.ts";

const CLOSED = -1;

/**
 * Writes the bodies of one layer one after the other into a spool file: where in the archive they come is known when all
 * layers are merged. Writes are of 1 MiB; holes take no room. Needs neither koffi nor root.
 */
export function createSpoolPlacer(plan: SpoolPlacerPlan): BodyPlacer {
  return new SpoolPlacer(plan);
}

class SpoolPlacer implements BodyPlacer {
  readonly #plan: SpoolPlacerPlan;
  readonly #buffer = takePieceBuffer();
  #fd: number;
  /** Bytes of the spool that are written, and those that wait in the buffer behind them. */
  #written = 0;
  #buffered = 0;

  readonly #body: OpenBody;
  /** Where its data begin in the spool. */
  #start = 0;
  /** Pairs: bytes of a hole, bytes of the data behind it. The last pair still grows. */
  #pairs: number[] = [0, 0];
  readonly #parts: ChunkParts = {
    onData: (bytes) => this.#addData(bytes),
    onHole: (sizeBytes) => this.#addHole(sizeBytes),
  };

  constructor(plan: SpoolPlacerPlan) {
    this.#plan = plan;
    this.#body = new OpenBody(plan.layer);
    this.#fd = this.#io(() => openSync(plan.spoolPath, "wx", 0o600));
  }

  begin(sizeBytes: number): void {
    this.#body.begin(sizeBytes);
    this.#start = this.#end();
    this.#pairs = [0, 0];
  }

  write(chunk: Uint8Array): void {
    const start = this.#body.advance(chunk.length);
    if (this.#body.size < ZERO_WINDOW) this.#addData(chunk);
    else cutAtZeroWindows(chunk, start, this.#parts);
  }

  skip(sizeBytes: number): void {
    this.#body.advance(sizeBytes);
    this.#addHole(sizeBytes);
  }

  end(): BodyRef {
    this.#body.end();
    const { plan } = this.#plan;
    const hasHoles = this.#pairs.length > 2 || this.#pairs[0] !== 0;
    const place = hasHoles ? this.#appendMap() : this.#start;
    if (place >= MOST_SPOOL_BYTES) throw this.#tooLarge();
    return spoolBody(plan, place, hasHoles);
  }

  finish(): LayerPlacement {
    this.#flush();
    return { kind: "spool" };
  }

  close(): void {
    const fd = this.#fd;
    this.#fd = CLOSED;
    if (fd === CLOSED) return;
    givePieceBuffer(this.#buffer);
    closeSync(fd);
  }

  /** Where the spool ends with what is buffered. */
  #end(): number {
    return this.#written + this.#buffered;
  }

  #addData(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.#pairs[this.#pairs.length - 1]! += bytes.length;
    this.#append(bytes);
  }

  #addHole(bytes: number): void {
    if (bytes === 0) return;
    const last = this.#pairs.length - 2;
    if (this.#pairs[last + 1] === 0) this.#pairs[last]! += bytes;
    else this.#pairs.push(bytes, 0);
  }

  /** @returns where the map lies */
  #appendMap(): number {
    const at = this.#end();
    const map = Buffer.alloc((2 + this.#pairs.length) * NUMBER_BYTES);
    map.writeDoubleLE(this.#start, 0);
    map.writeDoubleLE(this.#pairs.length / 2, NUMBER_BYTES);
    for (const [index, bytes] of this.#pairs.entries()) {
      map.writeDoubleLE(bytes, (2 + index) * NUMBER_BYTES);
    }
    this.#append(map);
    return at;
  }

  #append(bytes: Uint8Array): void {
    if (this.#buffered + bytes.length > PIECE_BUFFER_BYTES) this.#flush();
    if (bytes.length >= PIECE_BUFFER_BYTES) {
      this.#io(() => writeAll(this.#fd, bytes, this.#written));
      this.#written += bytes.length;
      return;
    }
    this.#buffer.set(bytes, this.#buffered);
    this.#buffered += bytes.length;
  }

  #flush(): void {
    const bytes = this.#buffer.subarray(0, this.#buffered);
    this.#io(() => writeAll(this.#fd, bytes, this.#written));
    this.#written += this.#buffered;
    this.#buffered = 0;
  }

  #tooLarge(): ImportError {
    const layer = this.#plan.layer + 1;
    const message = `layer ${layer} holds more than ${MOST_SPOOL_BYTES} bytes, which a tar import cannot set aside`;
    return new ImportError("ERR_LIMIT_EXCEEDED", message, {
      hint: "Import it with another --format.",
      details: { layer },
    });
  }

  #io<T>(action: () => T): T {
    try {
      return action();
    } catch (error) {
      throw ioError(error, "write a file", this.#plan.spoolPath);
    }
  }
}
