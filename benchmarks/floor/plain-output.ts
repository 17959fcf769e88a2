import { createHash } from "node:crypto";
import { closeSync, openSync, writeSync } from "node:fs";
import type { RingPiece, SharedRing, WritePlan } from "./floor-task.ts";

/** Where inflated bytes go. */
export interface PlainOutput {
  /** What inflate writes into, from `at` on. */
  readonly buffer: Uint8Array;
  readonly at: number;
  /** So many bytes from `at` on are there. */
  filled(bytes: number): void;
  end(): void;
}

const BUFFER_BYTES = 1 << 20;
/** A message costs tens of microseconds. */
const PIECE_BYTES = 512 << 10;

/** Hashes and writes bytes one after the other, and compares the hash at the end. */
export class HashedFile {
  readonly #hash = createHash("sha256");
  readonly #fd: number;
  readonly #diffId: string;

  constructor({ path, diffId }: WritePlan) {
    this.#fd = openSync(path, "wx");
    this.#diffId = diffId;
  }

  write(bytes: Uint8Array): void {
    this.#hash.update(bytes);
    for (let at = 0; at < bytes.length;) at += writeSync(this.#fd, bytes, at);
  }

  end(): void {
    closeSync(this.#fd);
    requireDigest(`sha256:${this.#hash.digest("hex")}`, this.#diffId);
  }
}

export function requireDigest(found: string, wanted: string): void {
  if (found !== wanted) throw new Error(`wanted ${wanted}, got ${found}`);
}

/** Hashed and written at once, while it lies in the cache. */
export function fileOutput(plan: WritePlan): PlainOutput {
  const file = new HashedFile(plan);
  const buffer = new Uint8Array(BUFFER_BYTES);
  return {
    buffer,
    at: 0,
    filled: (bytes) => file.write(buffer.subarray(0, bytes)),
    end: () => file.end(),
  };
}

/**
 * For another thread. Inflate may write up to the end of the ring, so a new lap begins when all of the last one has been
 * taken: the other thread is the faster one, and that wait is a moment every 16 MiB.
 */
export class RingOutput implements PlainOutput {
  readonly buffer: Uint8Array;
  at = 0;
  readonly #ring: SharedRing;
  readonly #taken: Int32Array;
  #announcedTo = 0;
  #announced = 0;

  constructor(ring: SharedRing) {
    this.#ring = ring;
    this.buffer = new Uint8Array(ring.bytes);
    this.#taken = new Int32Array(ring.taken);
  }

  filled(bytes: number): void {
    this.at += bytes;
    if (this.at - this.#announcedTo >= PIECE_BYTES) this.#announce();
    if (this.at + BUFFER_BYTES > this.buffer.length) this.#beginLap();
  }

  end(): void {
    this.#announce();
    this.#post(null);
    this.#ring.port.close();
  }

  #announce(): void {
    if (this.at === this.#announcedTo) return;
    this.#post({ from: this.#announcedTo, to: this.at });
    this.#announcedTo = this.at;
    this.#announced++;
  }

  #beginLap(): void {
    this.#announce();
    for (let taken = 0; (taken = Atomics.load(this.#taken, 0)) < this.#announced;) {
      Atomics.wait(this.#taken, 0, taken);
    }
    this.at = 0;
    this.#announcedTo = 0;
  }

  #post(piece: RingPiece): void {
    this.#ring.port.postMessage(piece);
  }
}

/** Takes what comes through a ring until its end. */
export function takeFromRing(ring: SharedRing, plan: WritePlan): Promise<void> {
  const bytes = new Uint8Array(ring.bytes);
  const taken = new Int32Array(ring.taken);
  const file = new HashedFile(plan);
  return new Promise((settle, fail) => {
    ring.port.on("message", (piece: RingPiece) => {
      try {
        if (piece === null) {
          file.end();
          settle();
          return;
        }
        file.write(bytes.subarray(piece.from, piece.to));
        Atomics.add(taken, 0, 1);
        Atomics.notify(taken, 0);
      } catch (error) {
        fail(error instanceof Error ? error : new Error(String(error)));
      }
    });
  });
}
