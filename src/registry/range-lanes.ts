import { ImportError } from "../errors.ts";
import type { ChunkBuffers } from "./chunk-buffers.ts";
import type { ChunkLink } from "./chunk-link.ts";
import type { ConnectionSlots } from "./connection-slots.ts";
import { fetchChunk, RangesUnusable } from "./fetch-chunk.ts";
import { networkFailure } from "./network-error.ts";
import type { RangeSettings, Region } from "./range-plan.ts";
import { isLate, nextRegion } from "./range-plan.ts";
import type { RangeTrust } from "./range-trust.ts";
import { RequestFailure } from "./request-failure.ts";
import type { RetryState } from "./retry-plan.ts";

/** A region of the blob that has been asked for: there, or under way. */
export interface Chunk extends Region {
  /** Its bytes from the start on; longer than the region. */
  readonly buffer: Uint8Array;
  receivedBytes: number;
  /** All of it, and the answer ended as it should. */
  complete: boolean;
}

interface Lane extends Chunk {
  readonly cancel: AbortController;
  readonly begunAtMs: number;
}

export interface RangeLanesOptions {
  readonly link: ChunkLink;
  readonly trust: RangeTrust;
  readonly buffers: ChunkBuffers;
  readonly slots: ConnectionSlots;
  readonly settings: RangeSettings;
  readonly retries: RetryState;
  readonly sizeBytes: number;
  readonly what: string;
  readonly reference: string;
  /** A chunk has more bytes, is complete, or has failed. */
  readonly onChange: () => void;
}

/** What is to be asked for now. */
export interface LaneOrder {
  /** Nothing before it. */
  readonly fromByte: number;
  /** How many connections the extra requests may have among them. */
  readonly connections: number;
  /** The slot of the first stream, when that does not run. */
  readonly takeSlot: () => (() => void) | undefined;
}

/** Of requests that ended well, as many are remembered. */
const REMEMBERED = 32;
/** Passing, as far as one can tell: anything else of a client's errors says that ranges are not wanted. */
const PASSING_STATUS: ReadonlySet<number> = new Set([408, 425, 429]);

/**
 * The extra requests of one blob. None of them is needed: what fails is forgotten, and read by whoever gets there; nothing here
 * throws. Bytes are kept until they are dropped.
 */
export class RangeLanes {
  readonly #options: RangeLanesOptions;
  /** By their start, without overlaps. */
  #lanes: Lane[] = [];
  #finishedMs: number[] = [];
  #receivedBytes = 0;
  #closed = false;

  constructor(options: RangeLanesOptions) {
    this.#options = options;
  }

  get receivedBytes(): number {
    return this.#receivedBytes;
  }

  /** Requests under way. */
  get running(): number {
    return this.#lanes.filter(({ complete }) => !complete).length;
  }

  get isEmpty(): boolean {
    return this.#lanes.length === 0;
  }

  at(offset: number): Chunk | undefined {
    return this.#laneAt(offset);
  }

  /** Where the first complete chunk behind `offset` begins; the end of the blob without one. */
  nextComplete(offset: number): number {
    const next = this.#lanes.find(({ complete, startByte }) => complete && startByte > offset);
    return next?.startByte ?? this.#options.sizeBytes;
  }

  /** Everything before `offset` has been delivered: what lies there, or has been overtaken, is let go. */
  passed(offset: number): void {
    const { minChunkBytes } = this.#options.settings;
    for (const lane of this.#lanes) {
      const { startByte, endByte, receivedBytes, complete } = lane;
      const receivedTo = startByte + receivedBytes;
      const overtaken = endByte <= offset || receivedTo + minChunkBytes <= offset;
      if (complete && endByte <= offset) this.#drop(lane);
      // What has all its bytes only waits for the end of its answer.
      if (complete || receivedTo === endByte || !overtaken) continue;
      this.#drop(lane);
      // Some hosts take the request and never send a byte (microk8s issue 5404); others are no faster than the stream.
      const { host = "" } = this.#options.link;
      if (this.#options.trust.failed(host)) this.#refuse("ranges come too late to be of use");
    }
  }

  isLate(offset: number): boolean {
    const lane = this.#laneAt(offset);
    if (lane === undefined || lane.complete) return false;
    const ageMs = performance.now() - lane.begunAtMs;
    return isLate(ageMs, this.#finishedMs, this.#options.settings);
  }

  /** Begins as many requests as are wanted, and as slots and memory allow. */
  ask(order: LaneOrder): void {
    const { link, trust, settings, sizeBytes } = this.#options;
    const { host } = link;
    if (host === undefined) return;
    while (!this.#closed && trust.allows(host)) {
      const most = trust.isProven(host) ? order.connections : Math.min(1, order.connections);
      if (this.running >= most) return;
      const { fromByte, connections } = order;
      const facts = { taken: this.#lanes, fromByte, sizeBytes, connections };
      const region = nextRegion(facts, settings);
      if (region === undefined || !this.#begin(region, order)) return;
    }
  }

  /** Gives up all that is under way; what is complete stays. */
  stop(): void {
    for (const lane of this.#lanes) if (!lane.complete) this.#drop(lane);
  }

  close(): void {
    this.#closed = true;
    for (const lane of this.#lanes) this.#drop(lane);
  }

  #laneAt(offset: number): Lane | undefined {
    return this.#lanes.find(({ startByte, endByte }) => startByte <= offset && offset < endByte);
  }

  #begin(region: Region, { takeSlot }: LaneOrder): boolean {
    const { slots, buffers } = this.#options;
    const releaseSlot = takeSlot() ?? slots.tryAcquire();
    if (releaseSlot === undefined) return false;
    const buffer = buffers.take();
    if (buffer === undefined) {
      releaseSlot();
      return false;
    }
    const lane: Lane = {
      ...region,
      buffer,
      receivedBytes: 0,
      complete: false,
      cancel: new AbortController(),
      begunAtMs: performance.now(),
    };
    this.#lanes.push(lane);
    this.#lanes.sort((a, b) => a.startByte - b.startByte);
    void this.#run(lane, releaseSlot);
    return true;
  }

  async #run(lane: Lane, releaseSlot: () => void): Promise<void> {
    const { link, trust, sizeBytes, buffers, onChange } = this.#options;
    try {
      await fetchChunk(link, {
        startByte: lane.startByte,
        target: lane.buffer.subarray(0, lane.endByte - lane.startByte),
        sizeBytes,
        signal: lane.cancel.signal,
        onBelieved: () => {
          if (link.host !== undefined) trust.prove(link.host);
          onChange();
        },
        onReceived: (bytes) => {
          lane.receivedBytes += bytes;
          this.#receivedBytes += bytes;
          onChange();
        },
      });
      lane.complete = true;
      this.#finishedMs = [performance.now() - lane.begunAtMs, ...this.#finishedMs].slice(
        0,
        REMEMBERED,
      );
      if (link.host !== undefined) trust.worked(link.host);
    } catch (error) {
      if (!lane.cancel.signal.aborted) this.#failed(lane, error);
    } finally {
      releaseSlot();
      // Nobody writes to it any more; a complete one is given back when it is dropped.
      if (!this.#lanes.includes(lane)) buffers.give(lane.buffer);
      onChange();
    }
  }

  #drop(lane: Lane): void {
    this.#lanes = this.#lanes.filter((one) => one !== lane);
    if (lane.complete) this.#options.buffers.give(lane.buffer);
    else lane.cancel.abort();
  }

  #failed(lane: Lane, error: unknown): void {
    const { link, slots, retries, what, reference } = this.#options;
    const { host = "" } = link;
    this.#lanes = this.#lanes.filter((one) => one !== lane);
    const failure = isKnown(error)
      ? error
      : networkFailure(error, { host, what, reference, beforeAnswer: false });
    if (failure instanceof RequestFailure && failure.error.code === "ERR_RATE_LIMITED") {
      slots.halve(lane.begunAtMs);
      const { retryAfterMs, host: limitedHost } = failure.facts;
      if (retryAfterMs !== undefined) retries.pause(limitedHost, retryAfterMs);
    }
    this.#count(lane, isPassing(failure), failure.message);
  }

  #count({ startByte, endByte }: Region, passing: boolean, why: string): void {
    const { link, trust, retries, what } = this.#options;
    if (!passing || trust.failed(link.host ?? "")) {
      this.#refuse(why);
      return;
    }
    const part = `bytes ${startByte}-${endByte - 1} of ${what}`;
    retries.tell({ what: part, why, attempt: 2, delayMs: 0 });
  }

  #refuse(why: string): void {
    const { link, trust, retries, what } = this.#options;
    const { host = "" } = link;
    trust.refuse(host);
    const told = `${why}; ${host} is not asked for ranges any more`;
    retries.tell({ what, why: told, attempt: 2, delayMs: 0 });
    this.stop();
  }
}

function isKnown(error: unknown): error is RangesUnusable | RequestFailure | ImportError {
  return (
    error instanceof RangesUnusable ||
    error instanceof RequestFailure ||
    error instanceof ImportError
  );
}

/** Otherwise asking again is asking in vain. */
function isPassing(failure: Error): failure is RequestFailure {
  if (!(failure instanceof RequestFailure)) return false;
  const { status, retry } = failure.facts;
  if (status !== undefined && PASSING_STATUS.has(status)) return retry !== "no";
  return status === undefined || status >= 500;
}
