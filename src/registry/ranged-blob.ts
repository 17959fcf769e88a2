import { cancellation, ImportError } from "../errors.ts";
import type { BlobStreamOptions } from "./blob-stream.ts";
import { BlobStream } from "./blob-stream.ts";
import type { ChunkBuffers } from "./chunk-buffers.ts";
import type { ChunkLink } from "./chunk-link.ts";
import type { ConnectionSlots } from "./connection-slots.ts";
import { codingOf } from "./content-coding.ts";
import { headerOf } from "./http-exchange.ts";
import type { Chunk } from "./range-lanes.ts";
import { RangeLanes } from "./range-lanes.ts";
import type { RangePlan, RangeSample, RangeSettings } from "./range-plan.ts";
import { chunkBytes, ONE_CONNECTION, planConnections } from "./range-plan.ts";
import type { RangeTrust } from "./range-trust.ts";

/** What the large blobs of one client share. */
export interface RangesOfClient {
  readonly settings: RangeSettings;
  readonly trust: RangeTrust;
  readonly buffers: ChunkBuffers;
  readonly planConnections?: typeof planConnections;
}

export interface RangedBlobOptions extends Omit<
  BlobStreamOptions,
  "places" | "slots" | "startByte"
> {
  readonly link: ChunkLink;
  readonly slots: ConnectionSlots;
  readonly ranges: RangesOfClient;
}

/** With chunks about, the first stream is read in pieces, so that it can be stopped where one begins. */
const PIECE_BYTES = 256 * 1024;

/**
 * A large blob. It begins as any other: one request without Range, and that stream goes on. Only while its consumer idles,
 * extra requests take chunks ahead of it; where the stream reaches one that is there, it is stopped. What no chunk holds when
 * its turn comes is read by a stream from there, so failed, refused, late or lost extras cost nothing but themselves, and
 * errors are those of `BlobStream`.
 */
export class RangedBlob {
  readonly #options: RangedBlobOptions;
  readonly #lanes: RangeLanes;
  /** Handed to the consumer. */
  #position = 0;
  #stream: BlobStream | undefined;
  #plan: RangePlan = ONE_CONNECTION;
  /** The blob's own slot, from its first request to its end; lent to an extra request while no stream runs. */
  #slot: (() => void) | undefined;
  #slotIsLent = false;
  /** By streams, all of them. */
  #streamedBytes = 0;
  #encoded = false;
  #closed = false;
  #failure: Error | undefined;
  #wake: (() => void) | undefined;
  #idleMs: () => number;
  #readMs = 0;
  #readingSinceMs: number | undefined;
  readonly #ticker: NodeJS.Timeout;

  constructor(options: RangedBlobOptions) {
    this.#options = options;
    this.#lanes = new RangeLanes({
      ...options,
      ...options.ranges,
      onChange: () => this.#onChange(),
    });
    // Until told better: a consumer that waits for a read has nothing else to do.
    this.#idleMs = () =>
      this.#readMs +
      (this.#readingSinceMs === undefined ? 0 : performance.now() - this.#readingSinceMs);
    options.signal.addEventListener("abort", this.#close, { once: true });
    this.#ticker = setInterval(() => this.#tick(), options.ranges.settings.tickMs).unref();
    this.#stream = this.#openStream();
    if (options.signal.aborted) this.#close();
  }

  /** As `ByteStream.watchConsumer`. */
  watchConsumer(idleMs: () => number): void {
    this.#idleMs = idleMs;
    this.#plan = ONE_CONNECTION;
  }

  /** As `ByteStream.read`. */
  async read(target: Uint8Array): Promise<number> {
    let filled = 0;
    this.#readingSinceMs = performance.now();
    try {
      while (filled < target.length && this.#position < this.#options.sizeBytes) {
        this.#throwIfOver();
        filled += await this.#readSome(target.subarray(filled));
        this.#lanes.passed(this.#position);
        this.#askForMore();
      }
    } catch (error) {
      this.#failure ??= error instanceof Error ? error : new Error(String(error));
      this.#close();
      throw this.#failure;
    } finally {
      this.#readMs += performance.now() - this.#readingSinceMs;
      this.#readingSinceMs = undefined;
    }
    if (this.#position === this.#options.sizeBytes) this.#close();
    return filled;
  }

  readonly cancel = (): void => this.#close();

  async #readSome(target: Uint8Array): Promise<number> {
    const chunk = this.#lanes.at(this.#position);
    if (chunk === undefined || (!chunk.complete && this.#stream !== undefined)) {
      this.#stream ??= this.#openStream();
      return this.#readStream(this.#stream, target);
    }
    this.#stopStream();
    const held = chunk.receivedBytes - (this.#position - chunk.startByte);
    if (held > 0) return this.#copy(chunk, target.subarray(0, held));
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
    return 0;
  }

  #copy(chunk: Chunk, target: Uint8Array): number {
    const from = this.#position - chunk.startByte;
    const { length } = target;
    target.set(chunk.buffer.subarray(from, from + length));
    this.#position += length;
    return length;
  }

  async #readStream(stream: BlobStream, target: Uint8Array): Promise<number> {
    const before = this.#position;
    const most = this.#lanes.isEmpty
      ? target.length
      : Math.min(PIECE_BYTES, this.#lanes.nextComplete(before) - before);
    try {
      await stream.read(target.subarray(0, most));
    } catch (error) {
      // It was stopped in mid-read: a chunk is there.
      if (stream === this.#stream) throw error;
    }
    const bytes = stream.offset - before;
    this.#position = stream.offset;
    this.#streamedBytes += bytes;
    return bytes;
  }

  #openStream(): BlobStream {
    const { link, ranges, slots } = this.#options;
    return new BlobStream({
      ...this.#options,
      startByte: this.#position,
      places: [
        async (request) => {
          const followed = await link.viaRegistry(request);
          const { status, headers } = followed.answer;
          this.#encoded ||= codingOf(headerOf(headers, "content-encoding")) !== undefined;
          const ignored = request.headers["range"] !== undefined && status === 200;
          if (ignored) ranges.trust.refuse(followed.target.host);
          return followed;
        },
      ],
      slots: {
        acquire: async (signal) => {
          this.#slot ??= await slots.acquire(signal);
          if (this.#closed) this.#releaseSlot();
          // The blob keeps it over all its streams.
          return () => {};
        },
        halve: () => slots.halve(),
      },
    });
  }

  #stopStream(): void {
    const stream = this.#stream;
    this.#stream = undefined;
    stream?.cancel();
  }

  #onChange(): void {
    if (this.#closed) return;
    // In a read that waits for the stream, while the chunk that it is in has come.
    if (this.#stream !== undefined && this.#lanes.at(this.#stream.offset)?.complete === true) {
      this.#stopStream();
    }
    this.#wakeReader();
    this.#lanes.passed(this.#position);
    this.#askForMore();
  }

  #wakeReader(): void {
    this.#wake?.();
    this.#wake = undefined;
  }

  /** Looks at the clock: who waits, what is late, what others have left free. */
  #tick(): void {
    const { ranges, sizeBytes } = this.#options;
    const receivedBytes = this.#streamedBytes + this.#lanes.receivedBytes;
    const sample: RangeSample = {
      atMs: performance.now(),
      receivedBytes,
      idleMs: this.#idleMs(),
      connections: this.#lanes.running + (this.#stream === undefined ? 0 : 1),
      leftBytes: Math.max(0, sizeBytes - receivedBytes),
    };
    this.#plan = (ranges.planConnections ?? planConnections)(this.#plan, sample, ranges.settings);
    const waits = this.#stream === undefined && this.#wake !== undefined;
    if (waits && this.#lanes.isLate(this.#position)) {
      // The hedge: a stream from here on races with the chunk.
      this.#stream = this.#openStream();
      this.#wakeReader();
    }
    this.#askForMore();
  }

  #askForMore(): void {
    if (this.#closed || this.#encoded || this.#plan.connections < 2) return;
    const { sizeBytes, ranges } = this.#options;
    const { connections } = this.#plan;
    const streams = this.#stream === undefined ? 0 : 1;
    // As far ahead of the stream as it gets while a chunk comes.
    const lead = streams * chunkBytes(sizeBytes - this.#position, connections, ranges.settings);
    this.#lanes.ask({
      fromByte: this.#position + lead,
      connections: connections - streams,
      takeSlot: () => this.#lendSlot(),
    });
  }

  #lendSlot(): (() => void) | undefined {
    if (this.#slot === undefined || this.#slotIsLent || this.#stream !== undefined)
      return undefined;
    this.#slotIsLent = true;
    return () => {
      this.#slotIsLent = false;
    };
  }

  /** Nothing more will be asked for: connections, slot and memory are free. */
  readonly #close = (): void => {
    if (this.#closed) return;
    this.#closed = true;
    this.#options.signal.removeEventListener("abort", this.#close);
    clearInterval(this.#ticker);
    this.#stopStream();
    this.#lanes.close();
    this.#releaseSlot();
    this.#wakeReader();
  };

  #releaseSlot(): void {
    this.#slot?.();
    this.#slot = undefined;
  }

  #throwIfOver(): void {
    if (this.#failure !== undefined) throw this.#failure;
    if (!this.#closed) return;
    const { signal } = this.#options;
    if (signal.aborted) throw cancellation(signal);
    throw new ImportError("ERR_CANCELLED", "the stream was given up");
  }
}
