/** Which answers a fault touches. `config` blobs count as blobs: the registry cannot tell them apart either. */
export interface FaultScope {
  readonly on: "manifest" | "blob" | "cdn" | "token";
  /** Only requests for this digest (`sha256:…`). */
  readonly digest?: string;
  /** How many answers are touched; without it, all of them. */
  readonly times?: number;
  /** How many matching answers pass first. */
  readonly skip?: number;
  /** Only requests with a Range. */
  readonly ranged?: true;
}

export type Misbehaviour =
  /** The byte at this offset of the *body sent* is inverted. */
  | { readonly kind: "flip"; readonly atByte: number }
  /** A clean answer of only this many bytes, and a Content-Length that says so. */
  | { readonly kind: "truncate"; readonly toBytes: number }
  /** A clean answer with this many zero bytes after the content. */
  | { readonly kind: "append"; readonly bytes: number }
  | { readonly kind: "missing" }
  | {
      readonly kind: "status";
      readonly status: number;
      readonly headers?: Readonly<Record<string, string>>;
      readonly body?: string;
    }
  /** The full Content-Length is promised; the connection ends in order after so many bytes. */
  | { readonly kind: "close"; readonly afterBytes: number }
  /** The same with a TCP reset. */
  | { readonly kind: "reset"; readonly afterBytes: number }
  /** The connection stays open and silent after so many bytes. */
  | { readonly kind: "stall"; readonly afterBytes: number }
  /** As it should be, with a pause after so many bytes until `released` is kept. */
  | { readonly kind: "hold"; readonly afterBytes: number; readonly released: Promise<unknown> }
  /** Answers as it should, so much later. */
  | { readonly kind: "late"; readonly ms: number }
  /** Accepts the request and never answers. */
  | { readonly kind: "silence" }
  | { readonly kind: "ignore-range" }
  /** 206 whose Content-Range begins (and whose bytes begin) this far before what was asked. */
  | { readonly kind: "wrong-range"; readonly shiftBytes: number }
  /** 206 whose Content-Range names a blob that is so much longer. */
  | { readonly kind: "wrong-total"; readonly extraBytes: number }
  /** 206 without Content-Range. */
  | { readonly kind: "no-content-range" }
  /** 416; `likeDistribution`: with the blob's Content-Length, a line of text, and never an end (distribution 2.8). */
  | { readonly kind: "range-not-satisfiable"; readonly likeDistribution?: true }
  /** 307 to this Location instead of an answer. */
  | { readonly kind: "redirect"; readonly location: string };

export type Fault = FaultScope & Misbehaviour;

export interface Faults {
  add(fault: Fault): void;
  clear(): void;
}

/** The list that the servers ask before each answer; the first fault that fits is used (up). */
export class FaultList implements Faults {
  #active: { readonly fault: Fault; left: number; skip: number }[] = [];

  add(fault: Fault): void {
    this.#active.push({ fault, left: fault.times ?? Infinity, skip: fault.skip ?? 0 });
  }

  clear(): void {
    this.#active = [];
  }

  take(
    on: FaultScope["on"],
    request: { readonly digest?: string | undefined; readonly ranged: boolean },
  ): Misbehaviour | undefined {
    for (const entry of this.#active) {
      const fits =
        entry.fault.on === on &&
        [undefined, request.digest].includes(entry.fault.digest) &&
        (request.ranged || entry.fault.ranged === undefined);
      if (!fits || entry.left <= 0) continue;
      if (entry.skip > 0) {
        entry.skip -= 1;
        continue;
      }
      entry.left -= 1;
      return entry.fault;
    }
    return undefined;
  }
}
