import type { TestCertificate } from "../self-signed-certificate.ts";

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
  | { readonly kind: "redirect"; readonly location: string }
  /** 307 to the very URL that was asked for. */
  | { readonly kind: "redirect-to-itself" }
  /** The connection ends where the answer should begin. */
  | { readonly kind: "hang-up"; readonly how: "close" | "reset" }
  /** After so many bytes a byte at a time. */
  | { readonly kind: "trickle"; readonly afterBytes: number; readonly everyMs: number }
  /** Headers as they should not be, with the content as it is; `undefined` leaves one out. */
  | { readonly kind: "headers"; readonly headers: Readonly<Record<string, string | undefined>> }
  /** 200 with these bytes. */
  | { readonly kind: "replace"; readonly bytes: Uint8Array; readonly mediaType?: string }
  /** The content in a Content-Encoding, which its digest does not cover. */
  | { readonly kind: "encode"; readonly coding: "gzip" | "deflate"; readonly cutBytes?: number }
  /** Whatever is to be on the wire, for what node:http would refuse to send; then the connection ends in this way. */
  | {
      readonly kind: "raw";
      readonly bytes: (content: Uint8Array) => Uint8Array;
      readonly end: "close" | "reset" | "stall" | "trickle";
    };

export type Fault = FaultScope & Misbehaviour;

/** What goes wrong with a connection before or below HTTP. `on` is the server: the registry or the second origin. */
export type ConnectionFault = ConnectionScope & ConnectionMisbehaviour;

export interface ConnectionScope {
  readonly on: "registry connection" | "cdn connection";
  readonly times?: number;
  readonly skip?: number;
}

export type ConnectionMisbehaviour =
  /** Accepted and ended. */
  | { readonly kind: "hang-up"; readonly how: "close" | "reset" }
  /** Accepted, and never a byte. */
  | { readonly kind: "mute" }
  /** This in place of a TLS handshake, and the end. */
  | { readonly kind: "speak"; readonly bytes: Uint8Array }
  /** Ended after so many bytes of the server, counted below TLS. */
  | { readonly kind: "cut"; readonly afterBytes: number; readonly how: "close" | "reset" }
  /** A handshake with another certificate. */
  | { readonly kind: "certificate"; readonly certificate: TestCertificate };

export interface Faults {
  add(fault: Fault | ConnectionFault): void;
  clear(): void;
  /** How often a fault was met, by the object that was added. */
  timesMet(fault: Fault | ConnectionFault): number;
}

interface Entry<F> {
  readonly fault: F;
  left: number;
  skip: number;
}

/** The list that the servers ask before each answer; the first fault that fits is used (up). */
export class FaultList implements Faults {
  #active: Entry<Fault | ConnectionFault>[] = [];
  readonly #met = new Map<Fault | ConnectionFault, number>();

  add(fault: Fault | ConnectionFault): void {
    this.#active.push({ fault, left: fault.times ?? Infinity, skip: fault.skip ?? 0 });
  }

  clear(): void {
    this.#active = [];
  }

  timesMet(fault: Fault | ConnectionFault): number {
    return this.#met.get(fault) ?? 0;
  }

  take(
    on: FaultScope["on"],
    request: { readonly digest?: string | undefined; readonly ranged: boolean },
  ): Misbehaviour | undefined {
    return this.#use(
      (fault): fault is Fault =>
        isOfAnswers(fault) &&
        fault.on === on &&
        [undefined, request.digest].includes(fault.digest) &&
        (request.ranged || fault.ranged === undefined),
    );
  }

  takeConnection(on: ConnectionFault["on"]): ConnectionMisbehaviour | undefined {
    return this.#use((fault): fault is ConnectionFault => fault.on === on && !isOfAnswers(fault));
  }

  #use<F extends Fault | ConnectionFault>(
    fits: (fault: Fault | ConnectionFault) => fault is F,
  ): F | undefined {
    for (const entry of this.#active) {
      const { fault } = entry;
      if (entry.left <= 0 || !fits(fault)) continue;
      if (entry.skip > 0) {
        entry.skip -= 1;
        continue;
      }
      entry.left -= 1;
      this.#met.set(fault, this.timesMet(fault) + 1);
      return fault;
    }
    return undefined;
  }
}

function isOfAnswers(fault: Fault | ConnectionFault): fault is Fault {
  return fault.on !== "registry connection" && fault.on !== "cdn connection";
}
