import type { Dispatcher } from "undici";
import type { StallLimits } from "./stall-clock.ts";
import { StallClock } from "./stall-clock.ts";

/** Ours, unlike undici's and Node's errors: a clock ran out. */
export class ClockError extends Error {
  override readonly name = "ClockError";
}

/** The reader had enough of it. */
export class BodyGivenUp extends Error {
  override readonly name = "BodyGivenUp";
}

/** Received and not yet asked for; more, and the socket is no longer read. */
const BUFFER_BYTES = 256 * 1024;

interface WaitingRead {
  readonly target: Uint8Array;
  filled: number;
  readonly resolve: (bytes: number) => void;
  readonly reject: (error: Error) => void;
}

/**
 * The body of one answer, pulled by its reader. While no target is offered, at most `BUFFER_BYTES` and one socket read
 * are held; then the socket is paused, and TCP does the rest.
 */
export class ResponseBody {
  readonly #clock: StallClock;
  /** Set once the request is on the wire. */
  #controller: Dispatcher.DispatchController | undefined;
  #chunks: Uint8Array[] = [];
  #bufferedBytes = 0;
  #state: "open" | "ended" | "failed" = "open";
  #error: Error | undefined;
  #waiting: WaitingRead | undefined;
  #whenSettled: ((error: Error | undefined) => void) | undefined;
  #receivedBytes = 0;

  constructor(limits: StallLimits) {
    this.#clock = new StallClock(limits, (reason) => this.abort(new ClockError(reason)));
  }

  get receivedBytes(): number {
    return this.#receivedBytes;
  }

  /**
   * Fills `target`; less only when the body ended or broke: what had come is delivered first, and a broken body throws
   * at the next call. 0 is the end. One call at a time.
   *
   * @throws Error as undici or the socket gave it, or `ClockError`
   */
  read(target: Uint8Array): Promise<number> {
    const filled = this.#drainInto(target);
    if (filled === target.length || this.#state === "ended") {
      if (this.#bufferedBytes < BUFFER_BYTES / 2) this.#resume();
      return Promise.resolve(filled);
    }
    if (this.#state === "failed") {
      return filled > 0 ? Promise.resolve(filled) : Promise.reject(this.#failure());
    }
    return new Promise<number>((resolve, reject) => {
      this.#waiting = { target, filled, resolve, reject };
      this.#clock.start();
      // Last of all: undici hands over what it holds within `resume`, and that must meet the waiting target. In the
      // queue it would be overtaken by the chunk after it.
      this.#resume();
    });
  }

  /** Reads to the end, or up to `maxBytes`, whichever comes first; then the connection is dropped. */
  async readAll(maxBytes: number): Promise<{ readonly bytes: Uint8Array; readonly more: boolean }> {
    const parts: Uint8Array[] = [];
    let total = 0;
    for (;;) {
      const part = new Uint8Array(Math.min(16_384, maxBytes + 1 - total));
      const filled = await this.read(part);
      total += filled;
      parts.push(part.subarray(0, filled));
      if (filled < part.length && this.#state === "ended") {
        return { bytes: Buffer.concat(parts), more: false };
      }
      if (total > maxBytes) {
        this.cancel();
        return { bytes: Buffer.concat(parts).subarray(0, maxBytes), more: true };
      }
    }
  }

  /** Closes the connection unless the body has come whole. Safe at any time. */
  cancel(): void {
    this.#chunks = [];
    this.#bufferedBytes = 0;
    this.abort(new BodyGivenUp("the body was given up"));
  }

  abort(error: Error): void {
    if (this.#state !== "open") return;
    this.fail(error);
    this.#controller?.abort(error);
  }

  /** The connection's side: called by the exchange. */
  begin(
    controller: Dispatcher.DispatchController,
    whenSettled: (error: Error | undefined) => void,
  ): void {
    this.#controller = controller;
    this.#whenSettled = whenSettled;
  }

  push(chunk: Uint8Array): void {
    if (this.#state !== "open") return;
    this.#clock.received(chunk.length);
    this.#receivedBytes += chunk.length;
    const waiting = this.#waiting;
    let rest = chunk;
    if (waiting !== undefined) {
      const taken = Math.min(chunk.length, waiting.target.length - waiting.filled);
      waiting.target.set(chunk.subarray(0, taken), waiting.filled);
      waiting.filled += taken;
      rest = chunk.subarray(taken);
      if (waiting.filled === waiting.target.length) this.#finishRead(waiting);
    }
    if (rest.length > 0) {
      this.#chunks.push(rest);
      this.#bufferedBytes += rest.length;
      if (this.#bufferedBytes >= BUFFER_BYTES) this.#controller?.pause();
    }
  }

  end(): void {
    if (this.#state !== "open") return;
    this.#state = "ended";
    this.#settle();
    if (this.#waiting !== undefined) this.#finishRead(this.#waiting);
  }

  fail(error: Error): void {
    if (this.#state !== "open") return;
    this.#state = "failed";
    this.#error = error;
    this.#settle();
    const waiting = this.#waiting;
    if (waiting === undefined) return;
    if (waiting.filled > 0) {
      this.#finishRead(waiting);
      return;
    }
    this.#waiting = undefined;
    this.#clock.stop();
    waiting.reject(error);
  }

  #settle(): void {
    this.#whenSettled?.(this.#error);
    this.#whenSettled = undefined;
  }

  #finishRead(waiting: WaitingRead): void {
    this.#waiting = undefined;
    this.#clock.stop();
    waiting.resolve(waiting.filled);
  }

  #drainInto(target: Uint8Array): number {
    let filled = 0;
    while (filled < target.length) {
      const [chunk] = this.#chunks;
      if (chunk === undefined) break;
      const taken = Math.min(chunk.length, target.length - filled);
      target.set(chunk.subarray(0, taken), filled);
      filled += taken;
      if (taken === chunk.length) this.#chunks.shift();
      else this.#chunks[0] = chunk.subarray(taken);
    }
    this.#bufferedBytes -= filled;
    return filled;
  }

  #resume(): void {
    if (this.#state === "open" && this.#controller?.paused === true) this.#controller.resume();
  }

  #failure(): Error {
    return this.#error ?? new Error("the body broke off");
  }
}
