import type { MessagePort } from "node:worker_threads";
import type { LayerInRegistry } from "../registry/read-image.ts";

/** A layer to be pulled, hashed and inflated by one thread. */
export interface DecodeTask {
  readonly kind: "decode";
  readonly layer: LayerInRegistry;
  /** A copy of the blob; undefined: it is pulled. */
  readonly blobPath: string | undefined;
  /** Where the plain bytes go: into a file, by this thread, or to the thread at the other end. */
  readonly to: WritePlan | SharedRing;
}

/** The second half of a layer: its plain bytes are hashed and written by another thread than the one that inflates. */
export interface WriteTask {
  readonly kind: "write";
  readonly plan: WritePlan;
  readonly from: SharedRing;
}

export type FloorTask = DecodeTask | WriteTask;

export interface WritePlan {
  readonly path: string;
  readonly diffId: string;
}

/** Bytes that two threads share: the writer announces pieces by messages, the reader says in `taken` how much is free again. */
export interface SharedRing {
  readonly port: MessagePort;
  readonly bytes: SharedArrayBuffer;
  /** One 32-bit number: pieces taken so far. */
  readonly taken: SharedArrayBuffer;
}

/** A piece of the ring; `null` is the end. */
export type RingPiece = { readonly from: number; readonly to: number } | null;
