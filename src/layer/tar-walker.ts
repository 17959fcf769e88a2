import { BatchBuilder } from "./batch-builder.ts";
import { BLOCK_BYTES, TarHeader, TypeFlag, isHeaderOnly, paddingAfter } from "./tar-header.ts";
import { EntryReader } from "./entry-reader.ts";
import { ExtensionHeaders, isExtension } from "./extension-headers.ts";
import { FileBody } from "./file-body.ts";
import { SparseMap, oldSparseSize, sparseForm } from "./gnu-sparse.ts";
import { limitFault } from "./fault.ts";
import { PaxKey } from "./pax-records.ts";
import { printable } from "../errors.ts";
import type { BodyTarget } from "./layer-decoder.ts";
import type { Disposition } from "./entry-reader.ts";
import type { EntryBatch } from "./entry-batch.ts";
import type { LayerFault } from "./fault.ts";
import type { Limits } from "../limits.ts";

/**
 * What the next bytes are:
 * - blocks of 512 bytes: a `header`, the one `after a zero block`, the `sparse headers` of an old GNU sparse file, the
 *   `sparse map` at the front of a 1.0 body;
 * - runs: an `extension` header's body, a `body`, the `padding` after either, and what comes after the `end`.
 */
type State =
  | "header"
  | "after a zero block"
  | "sparse headers"
  | "sparse map"
  | "extension"
  | "body"
  | "padding"
  | "end";

/** Where an archive must not end. */
const CUT_PLACES: Partial<Record<State, string>> = {
  extension: "inside an extension header",
  "sparse headers": "inside the map of a sparse file",
  "sparse map": "inside the map of a sparse file",
  body: "inside a file",
};

export interface TarWalkerOptions {
  readonly fault: LayerFault;
  readonly limits: Limits;
  readonly bodies: BodyTarget;
  readonly onBatch: (batch: EntryBatch) => void;
}

/**
 * Walks the blocks of one archive, in chunks that may end anywhere. Go's archive/tar is the reference for every choice:
 * each image in the field has been through it. Bodies are passed on as views, entries as rows of a batch; nothing is
 * allocated for an entry but the view of its body.
 *
 * What follows the end of the archive is counted and never parsed. Attack: a second archive there, which other readers see.
 */
export class TarWalker {
  readonly #fault: LayerFault;
  readonly #limits: Limits;
  readonly #header = new TarHeader();
  readonly #extensions: ExtensionHeaders;
  readonly #builder: BatchBuilder;
  readonly #reader: EntryReader;
  readonly #body: FileBody;
  readonly #map: SparseMap;
  #state: State = "header";
  /** Bytes of the present block that are in `#header.block`. */
  #filled = 0;
  /** Bytes of the present body or padding to come. */
  #left = 0;
  #paddingLeft = 0;
  #disposition: Disposition = "bodiless";
  #sparse = false;
  /** Of the archive, up to the present chunk. */
  #offset = 0;
  entries = 0;

  constructor({ fault, limits, bodies, onBatch }: TarWalkerOptions) {
    this.#fault = fault;
    this.#limits = limits;
    this.#extensions = new ExtensionHeaders(fault, limits);
    this.#builder = new BatchBuilder(onBatch);
    this.#reader = new EntryReader({ fault, limits, builder: this.#builder });
    this.#body = new FileBody(bodies);
    this.#map = new SparseMap(this.#reader.fault, limits);
  }

  /** How many bodies were placed. */
  get bodies(): number {
    return this.#body.count;
  }

  /** Bytes given to `bodies`, holes not counted. */
  get bodyBytes(): number {
    return this.#body.writtenBytes;
  }

  /** The next bytes; borrowed. @throws ImportError any code of a layer, and what `bodies` throws */
  write(chunk: Uint8Array): void {
    let at = 0;
    while (at < chunk.length && this.#state !== "end") at = this.#take(chunk, at);
    this.#offset += chunk.length;
  }

  /** The end of the bytes. @throws ImportError ERR_LAYER_TRUNCATED */
  end(): void {
    const place = this.#placeOfCut();
    if (place !== undefined) {
      throw this.#fault("ERR_LAYER_TRUNCATED", `the archive ends ${place}`, {
        details: { offsetBytes: this.#offset },
      });
    }
    this.#builder.flush();
  }

  /** @returns `undefined` where an archive may end: without its end marker or last padding too (Go; rules 31 and 32) */
  #placeOfCut(): string | undefined {
    if (this.#filled > 0) return CUT_PLACES[this.#state] ?? "inside a header";
    const betweenEntries = this.#state === "header" || this.#state === "padding";
    if (betweenEntries && this.#extensions.pending)
      return "between an extension header and its entry";
    return CUT_PLACES[this.#state];
  }

  /** Takes what belongs to the present state. @returns where the next begins */
  #take(chunk: Uint8Array, at: number): number {
    if (this.#state === "body") return this.#takeBody(chunk, at);
    if (this.#state === "padding") return this.#takePadding(chunk, at);
    if (this.#state !== "extension") return this.#takeBlock(chunk, at);
    const end = this.#extensions.take(chunk, at);
    if (this.#extensions.complete) this.#endExtension();
    return end;
  }

  #takePadding(chunk: Uint8Array, at: number): number {
    const end = Math.min(chunk.length, at + this.#left);
    this.#left -= end - at;
    if (this.#left === 0) this.#state = "header";
    return end;
  }

  #takeBlock(chunk: Uint8Array, at: number): number {
    const end = Math.min(chunk.length, at + BLOCK_BYTES - this.#filled);
    this.#header.block.set(chunk.subarray(at, end), this.#filled);
    this.#filled += end - at;
    if (this.#filled < BLOCK_BYTES) return end;
    this.#filled = 0;
    const { block } = this.#header;
    if (this.#state === "sparse headers") {
      if (!this.#map.readBlock(block, "extension")) this.#startBody();
    } else if (this.#state === "sparse map") {
      this.#left -= BLOCK_BYTES;
      if (this.#map.readText(block)) this.#startBody();
      else this.#requireMapBlock();
    } else {
      this.#takeHeader(this.#offset + end);
    }
    return end;
  }

  /** @param offset where the header ends */
  #takeHeader(offset: number): void {
    const header = this.#header;
    const problem = header.read();
    if (problem === "zeros") {
      this.#state = this.#state === "header" ? "after a zero block" : "end";
      return;
    }
    if (this.#state === "after a zero block") {
      throw this.#badHeader(offset, "a header follows a single block of zeros");
    }
    if (problem === "a wrong checksum" && offset === BLOCK_BYTES) {
      // Often a proxy's error page.
      const start = printable(header.block.subarray(0, 40));
      throw this.#badHeader(offset, `this is not a tar archive, it begins with "${start}"`);
    }
    if (problem !== undefined) throw this.#badHeader(offset, `a header has ${problem}`);
    if (isExtension(header.typeflag)) this.#startExtension();
    else this.#startEntry(offset);
  }

  #badHeader(offset: number, problem: string): Error {
    return this.#fault("ERR_LAYER_CORRUPT", problem, {
      details: { offsetBytes: offset - BLOCK_BYTES },
    });
  }

  #startExtension(): void {
    const { size, typeflag } = this.#header;
    this.#extensions.begin(typeflag, size);
    this.#paddingLeft = paddingAfter(size);
    this.#state = "extension";
    if (size === 0) this.#endExtension();
  }

  #endExtension(): void {
    this.#extensions.finish();
    this.#startPadding();
  }

  #startEntry(offset: number): void {
    const header = this.#header;
    this.#disposition = this.#reader.read(header, this.#extensions);
    if (this.#disposition !== "left out") this.#count();
    const bodyBytes = isHeaderOnly(header.typeflag) ? 0 : header.size;
    this.#requireFits(offset, bodyBytes);
    this.#left = bodyBytes;
    this.#paddingLeft = paddingAfter(bodyBytes);
    this.#sparse = false;
    const form = this.#extensions.pending ? sparseForm(this.#extensions.pax) : "none";
    this.#builder.draft.size = this.#disposition === "file" ? header.size : 0;
    if (header.typeflag === TypeFlag.gnuSparse) this.#startOldSparse();
    else if (this.#isSkipped() || form === "none") this.#startBody();
    else this.#startPaxSparse(form);
    this.#extensions.clear();
  }

  /** Only the names of these count, whatever their bodies say they are. */
  #isSkipped(): boolean {
    return this.#disposition === "left out" || this.#disposition === "whiteout";
  }

  /** What a header declares counts at once: nothing is written or set aside for what could never fit. */
  #requireFits(offset: number, bodyBytes: number): void {
    if (offset + bodyBytes <= this.#limits.layerBytes) return;
    const value = offset + bodyBytes;
    const problem = `claims ${bodyBytes} bytes, which makes a layer of ${value}`;
    throw limitFault(this.#reader.fault, this.#limits, { limit: "layerBytes", value, problem });
  }

  #startOldSparse(): void {
    const { block, format } = this.#header;
    // star has the same type with another layout.
    if (format !== "gnu") throw this.#badSparse("is a sparse file of an unknown kind");
    this.#sparse = true;
    this.#map.reset();
    if (this.#disposition === "file") this.#builder.draft.size = oldSparseSize(block);
    if (this.#map.readBlock(block, "header")) this.#state = "sparse headers";
    else this.#startBody();
  }

  #startPaxSparse(form: "in records" | "in body"): void {
    if (this.#disposition !== "file") throw this.#badSparse("has a sparse map and is no file");
    const { pax } = this.#extensions;
    this.#sparse = true;
    this.#map.reset();
    const sizeKey = pax.has(PaxKey.sparseSize) ? PaxKey.sparseSize : PaxKey.sparseRealSize;
    if (pax.has(sizeKey)) this.#builder.draft.size = pax.number(sizeKey);
    if (form === "in body") {
      this.#state = "sparse map";
      this.#requireMapBlock();
    } else {
      this.#map.readRecords(pax);
      this.#startBody();
    }
  }

  #requireMapBlock(): void {
    if (this.#left < BLOCK_BYTES) throw this.#badSparse("has a sparse map longer than its body");
  }

  #badSparse(problem: string): Error {
    return this.#reader.fault("ERR_LAYER_CORRUPT", problem);
  }

  /** All about the entry is known but what its body holds. */
  #startBody(): void {
    this.#state = "body";
    if (this.#disposition === "file") this.#startFile();
    if (this.#left === 0) this.#endBody();
  }

  #startFile(): void {
    const { draft } = this.#builder;
    const { size } = draft;
    // Also false for NaN, which is what a bad sparse size is.
    if (!(size >= 0)) throw this.#badSparse("has a bad sparse size");
    if (size > this.#limits.fileBytes) {
      const met = { limit: "fileBytes", value: size, problem: `claims ${size} bytes` } as const;
      throw limitFault(this.#reader.fault, this.#limits, met);
    }
    if (this.#sparse) this.#map.requireFits(size, this.#left);
    if (size > 0) this.#body.begin(draft, this.#sparse ? this.#map : undefined);
  }

  #takeBody(chunk: Uint8Array, at: number): number {
    const end = Math.min(chunk.length, at + this.#left);
    if (this.#disposition === "file") this.#body.write(chunk.subarray(at, end));
    this.#left -= end - at;
    if (this.#left === 0) this.#endBody();
    return end;
  }

  #endBody(): void {
    const { draft } = this.#builder;
    if (this.#disposition === "file" && draft.size > 0) draft.body = this.#body.end();
    if (this.#disposition !== "left out") this.#builder.commit();
    this.#startPadding();
  }

  #count(): void {
    const value = ++this.entries;
    if (value <= this.#limits.entries) return;
    const problem = `is entry ${value} of its layer`;
    throw limitFault(this.#reader.fault, this.#limits, { limit: "entries", value, problem });
  }

  #startPadding(): void {
    this.#left = this.#paddingLeft;
    this.#state = this.#left > 0 ? "padding" : "header";
  }
}
