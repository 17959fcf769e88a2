import { cancellation, ImportError } from "../errors.ts";
import type { BlobPart } from "./blob-part.ts";
import { openPart, RangeRefused, sizeMismatch } from "./blob-part.ts";
import { hasSurplus } from "./body-surplus.ts";
import type { ConnectionSlots } from "./connection-slots.ts";
import { CodingError } from "./content-coding.ts";
import type { AnsweringMirror, FollowedAnswer } from "./follow-redirects.ts";
import { networkFailure } from "./network-error.ts";
import { RequestFailure } from "./request-failure.ts";
import type { RetryState } from "./retry-plan.ts";
import { RetryPlan } from "./retry-plan.ts";

/** Where a blob may be had. Tried in order; the last is the registry, and the only one with patience. */
export type BlobPlace = (request: BlobRequest) => Promise<FollowedAnswer>;

export interface BlobRequest {
  readonly headers: Readonly<Record<string, string>>;
  /** Nobody depends on it: it is asked once, and its failure has no consequences. */
  readonly extra?: true;
  readonly signal: AbortSignal;
}

export interface BlobStreamOptions {
  readonly places: readonly BlobPlace[];
  readonly sizeBytes: number;
  /** How the blob is compressed by its media type. */
  readonly stored: "gzip" | "zstd" | undefined;
  /** `layer sha256:… of ghcr.io/org/app:1.2` */
  readonly what: string;
  readonly reference: string;
  /** Caches in between must ask the registry; a Content-Encoding that can be a label is taken for one. */
  readonly fresh: boolean;
  /** What lies before is not wanted; default 0. */
  readonly startByte?: number;
  readonly retries: RetryState;
  readonly slots: Pick<ConnectionSlots, "acquire" | "halve">;
  /** What ends the stream, as its consumer is told. */
  readonly lastWord?: (error: Error) => Error;
  readonly signal: AbortSignal;
}

/** More, or longer and not slower than a slow loris, and the count of tries starts again (BLOB-5). */
const PROGRESS_BYTES = 64 * 1024;
const PROGRESS_MS = 1000;

/**
 * One blob from its first byte (or a later one) to its last, over as many connections as it takes (registry-cases BLOB-1 … BLOB-10).
 * Every byte is handed on once, so the consumer's hash goes on over a resume. The first request starts at once; the
 * socket is read as far as a few hundred KiB ahead of the consumer, and no further.
 */
export class BlobStream {
  readonly #options: BlobStreamOptions;
  readonly #cancelled = new AbortController();
  readonly #signal: AbortSignal;
  readonly #plan: RetryPlan;
  #places: readonly BlobPlace[];
  /** Handed to the consumer. */
  #offset: number;
  #part: BlobPart | undefined;
  /** Whose answer is being read, where that is a mirror's. */
  #mirror: AnsweringMirror | undefined;
  #partStart = { atByte: 0, atMs: 0 };
  #opening: Promise<BlobPart> | undefined;
  #releaseSlot: (() => void) | undefined;
  #complete = false;
  /** What ended the stream; every later read meets it again. */
  #failure: Error | undefined;
  /** A range was refused: the next request is without one. */
  #withoutRange = false;
  #rangesRefused = 0;
  #takeRaw: boolean;
  #noCache: boolean;
  readonly #onAbort = (): void => this.#release();

  constructor(options: BlobStreamOptions) {
    this.#options = options;
    this.#signal = AbortSignal.any([options.signal, this.#cancelled.signal]);
    this.#plan = new RetryPlan(options.retries, options.what);
    this.#places = options.places;
    this.#takeRaw = options.fresh;
    this.#noCache = options.fresh;
    this.#offset = options.startByte ?? 0;
    this.#complete = this.#offset === options.sizeBytes;
    if (this.#complete) return;
    this.#signal.addEventListener("abort", this.#onAbort, { once: true });
    this.#opening = this.#open();
    // Whoever reads meets the failure; a stream that nobody reads must not end the process.
    this.#opening.catch(() => {});
  }

  /** The byte of the blob that the next read begins with. */
  get offset(): number {
    return this.#offset;
  }

  /** As `ByteStream.read` of src/source/image-source.ts. */
  async read(target: Uint8Array): Promise<number> {
    let filled = 0;
    while (filled < target.length && !this.#complete) {
      if (this.#failure !== undefined) throw this.#failure;
      if (this.#signal.aborted) throw this.#cancellation();
      try {
        filled += await this.#readSome(target.subarray(filled));
      } catch (error) {
        await this.#recover(error);
      }
    }
    return filled;
  }

  cancel(): void {
    this.#cancelled.abort();
    this.#release();
  }

  async #readSome(target: Uint8Array): Promise<number> {
    const part = this.#part ?? (await this.#nextPart());
    if (part.ended) {
      await this.#endPart(part);
      return 0;
    }
    if (part.at < this.#offset) {
      await this.#skip(part);
      return 0;
    }
    const { sizeBytes } = this.#options;
    const wanted = Math.min(target.length, sizeBytes - this.#offset);
    const received = await part.reader.read(target.subarray(0, wanted));
    part.at += received;
    part.ended = received < wanted;
    this.#offset += received;
    if (this.#offset === sizeBytes) await this.#refuseSurplus(part);
    return received;
  }

  /** The server began before what we have: it does not do ranges, and what the consumer has is read past (BLOB-7). */
  async #skip(part: BlobPart): Promise<void> {
    const scratch = new Uint8Array(Math.min(PROGRESS_BYTES, this.#offset - part.at));
    const received = await part.reader.read(scratch);
    part.at += received;
    part.ended = received < scratch.length;
  }

  /** The body ended, or broke, before the blob did. */
  async #endPart(part: BlobPart): Promise<void> {
    // The reader gives what had come before the break; only this read tells whether it was one.
    const more = await part.reader.read(new Uint8Array(1));
    if (more > 0) throw new Error("a body went on after its end");
    const bytes = this.#offset - this.#partStart.atByte;
    this.#countProgress();
    this.#dropPart();
    // A range may be answered with less than was asked for: the rest is asked for next (BLOB-7).
    if (part.endsAt === part.at && bytes >= PROGRESS_BYTES) return;
    const message = `${part.hosts}: the connection was closed early, for ${this.#options.what}`;
    const error = new ImportError("ERR_NETWORK", message, {
      hint: "Check the network, and whether a proxy or firewall stands in between.",
      details: { reference: this.#options.reference, host: part.hosts, offsetBytes: part.at },
    });
    if (part.encoded) this.#withoutRange = true;
    throw new RequestFailure(error, { retry: "yes", host: part.host });
  }

  /** One byte too many is another blob; a connection that breaks after the last byte is none of our business. */
  async #refuseSurplus(part: BlobPart): Promise<void> {
    const exact = part.endsAt === this.#options.sizeBytes && !part.encoded;
    if (exact) this.#part = undefined;
    else if (await hasSurplus(part.reader)) {
      const actual = `more than ${this.#options.sizeBytes}`;
      const mismatch = sizeMismatch({ ...this.#options, ...part }, actual);
      if (this.#mirror === undefined) throw mismatch;
      // All bytes are there, and the consumer knows what they must hash to.
      await this.#mirror.broke(mismatch, this.#signal);
    }
    this.#complete = true;
    this.#release();
  }

  async #nextPart(): Promise<BlobPart> {
    const opening = this.#opening ?? this.#open();
    this.#opening = undefined;
    const part = await opening;
    this.#part = part;
    this.#partStart = { atByte: this.#offset, atMs: performance.now() };
    return part;
  }

  async #open(): Promise<BlobPart> {
    if (this.#releaseSlot === undefined) {
      const release = await this.#options.slots.acquire(this.#signal);
      this.#releaseSlot = release;
      if (this.#signal.aborted) this.#release();
    }
    const [place] = this.#places;
    if (place === undefined) throw new Error("a blob without a place");
    const offset = this.#withoutRange ? 0 : this.#offset;
    this.#withoutRange = false;
    this.#mirror = undefined;
    const followed = await place({
      headers: {
        accept: "*/*",
        ...(offset > 0 ? { range: `bytes=${offset}-` } : {}),
        ...(this.#noCache ? { "cache-control": "no-cache" } : {}),
      },
      signal: this.#signal,
    });
    this.#mirror = followed.mirror;
    return openPart(followed, { ...this.#options, offset, takeRaw: this.#takeRaw });
  }

  /** Decides what follows a failure; returns when the next try may start. @throws ImportError */
  async #recover(error: unknown): Promise<void> {
    const part = this.#part;
    this.#countProgress();
    this.#dropPart();
    if (this.#signal.aborted) {
      this.#release();
      throw this.#cancellation();
    }
    // Ranges count encoded bytes there.
    if (part?.encoded === true) this.#withoutRange = true;
    try {
      await this.#planNext(error, part);
    } catch (final) {
      const failure = final instanceof Error ? final : new Error(String(final));
      this.#failure = this.#options.lastWord?.(failure) ?? failure;
      this.#release();
      throw this.#failure;
    }
  }

  async #planNext(error: unknown, part: BlobPart | undefined): Promise<void> {
    // A blob with more bytes than it should have: no other place makes them fewer.
    if (this.#offset === this.#options.sizeBytes) throw error;
    const mirror = this.#mirror;
    this.#mirror = undefined;
    if (mirror !== undefined && !this.#isWrongCoding(error)) {
      const refused = error instanceof RangeRefused;
      const failure = refused ? this.#rangeError(error) : this.#asFailure(error, part);
      await mirror.broke(failure, this.#signal);
      return;
    }
    if (error instanceof RangeRefused) {
      this.#rangesRefused += 1;
      this.#withoutRange = true;
      if (this.#rangesRefused > 1) throw this.#rangeError(error);
      return;
    }
    if (this.#isWrongCoding(error)) {
      this.#takeRaw = true;
      return;
    }
    const failure = this.#asFailure(error, part);
    if (this.#places.length > 1) {
      this.#places = this.#places.slice(1);
      return;
    }
    if (!(failure instanceof RequestFailure)) throw failure;
    if (failure.error.code === "ERR_RATE_LIMITED") this.#options.slots.halve();
    if (failure.error.code === "ERR_SIZE_MISMATCH") this.#noCache = true;
    await this.#plan.next(failure, this.#signal);
  }

  /** The coding may be a label only, and there is time to find out. */
  #isWrongCoding(error: unknown): boolean {
    return error instanceof CodingError && this.#offset === 0 && !this.#takeRaw;
  }

  #asFailure(error: unknown, part: BlobPart | undefined): RequestFailure | Error {
    if (error instanceof RequestFailure || error instanceof ImportError) return error;
    if (error instanceof CodingError && part !== undefined) {
      // As a body that a proxy cut: the next one may be whole (BLOB-2, BLOB-4).
      const mismatch = sizeMismatch(
        { ...this.#options, ...part },
        "something with a broken Content-Encoding",
      );
      return new RequestFailure(mismatch, { retry: "once", host: part.host });
    }
    if (part === undefined) return error instanceof Error ? error : new Error(String(error));
    const { what, reference } = this.#options;
    return networkFailure(error, { host: part.hosts, what, reference, beforeAnswer: false });
  }

  #rangeError(error: RangeRefused): ImportError {
    return new ImportError("ERR_REGISTRY_PROTOCOL", error.message, {
      hint: "Ask the registry's operator: its Content-Range is not what was asked for.",
      details: { reference: this.#options.reference, offsetBytes: this.#offset },
    });
  }

  #countProgress(): void {
    const { atByte, atMs } = this.#partStart;
    const bytes = this.#offset - atByte;
    const tookMs = performance.now() - atMs;
    const { minBytesPerSecond } = this.#options.retries.timing;
    const steady = tookMs >= PROGRESS_MS && (bytes * 1000) / tookMs >= minBytesPerSecond;
    if (bytes >= PROGRESS_BYTES || steady) {
      this.#plan.progressed();
      this.#mirror?.progressed();
    }
    this.#partStart = { atByte: this.#offset, atMs: performance.now() };
  }

  #dropPart(): void {
    this.#part?.reader.cancel();
    this.#part = undefined;
  }

  /** Nothing more will be asked for: the connection and the slot are free. */
  #release(): void {
    this.#signal.removeEventListener("abort", this.#onAbort);
    this.#dropPart();
    this.#opening?.then((part) => part.reader.cancel()).catch(() => {});
    this.#releaseSlot?.();
    this.#releaseSlot = undefined;
  }

  #cancellation(): ImportError {
    if (this.#options.signal.aborted) return cancellation(this.#options.signal);
    return new ImportError("ERR_CANCELLED", "the stream was given up");
  }
}
