import type { BodyTarget } from "./layer-decoder.ts";
import type { EntryDraft } from "./batch-builder.ts";
import type { SparseMap } from "./gnu-sparse.ts";

/** Hands the body of one file to its target, with the holes of a sparse one put back. */
export class FileBody {
  /** Bodies begun so far. */
  count = 0;
  /** Bytes written so far, over all files; holes not counted. */
  writtenBytes = 0;
  readonly #target: BodyTarget;
  #map: SparseMap | undefined;
  #size = 0;
  #position = 0;
  #segment = 0;
  /** Bytes of the present segment to come. */
  #segmentLeft = 0;

  constructor(target: BodyTarget) {
    this.#target = target;
  }

  /** @param map of a sparse file, already checked against the sizes; it stays as it is until `end` */
  begin(entry: EntryDraft, map: SparseMap | undefined): void {
    this.count++;
    this.#map = map;
    this.#size = entry.size;
    this.#position = 0;
    this.#segment = 0;
    this.#segmentLeft = 0;
    this.#target.begin(entry.size, entry);
  }

  write(chunk: Uint8Array): void {
    this.writtenBytes += chunk.length;
    if (this.#map === undefined) {
      this.#target.write(chunk);
      return;
    }
    for (let at = 0; at < chunk.length;) {
      if (this.#segmentLeft === 0) this.#startSegment(this.#map);
      const end = Math.min(chunk.length, at + this.#segmentLeft);
      this.#target.write(chunk.subarray(at, end));
      this.#position += end - at;
      this.#segmentLeft -= end - at;
      at = end;
    }
  }

  end(): number {
    if (this.#map !== undefined) this.#skipTo(this.#size);
    return this.#target.end();
  }

  #startSegment(map: SparseMap): void {
    while (map.length(this.#segment) === 0) this.#segment++;
    this.#skipTo(map.offset(this.#segment));
    this.#segmentLeft = map.length(this.#segment);
    this.#segment++;
  }

  #skipTo(position: number): void {
    if (position > this.#position) this.#target.skip(position - this.#position);
    this.#position = position;
  }
}
