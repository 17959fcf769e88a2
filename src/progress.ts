/** One request and what came of it, fit for a log: no header but Range, no query, no user info (registry-cases ERR-1). */
export interface RequestLine {
  readonly method: string;
  /** Where a query was, stands `?…`: a signed URL is a secret. */
  readonly url: string;
  readonly range?: string;
  /** None: no answer came. */
  readonly status?: number;
  /** Of the body. */
  readonly receivedBytes: number;
  /** Until the body had ended; the connection, where one had to be made, included. */
  readonly durationMs: number;
  /** Why the body, or the answer, did not come whole; `given up` when we had enough of it. */
  readonly failure?: string;
}

/**
 * What an import tells while it runs: facts, and the status sentences that `tl` users know (`message` of `status`,
 * `warning`). Layers run side by side, so their events interleave. After a failure neither `image_registered` nor
 * `done` comes.
 */
export type ImportEvent =
  | { readonly type: "status"; readonly message: string }
  | { readonly type: "warning"; readonly code: string; readonly message: string }
  | {
      readonly type: "resolved";
      /** Fully qualified, e.g. `docker.io/library/alpine:3.20`. */
      readonly reference: string;
      /** Of the platform's manifest. */
      readonly manifestDigest: string;
      readonly platform: string;
      /** Bottom first. */
      readonly layers: readonly { readonly digest: string; readonly sizeBytes: number }[];
      /** Compressed, all layers. */
      readonly totalBytes: number;
    }
  | {
      readonly type: "layer_progress";
      /** 0 is the base layer. */
      readonly layer: number;
      readonly state: "waiting" | "pulling" | "verified";
      /** Compressed bytes received so far. */
      readonly receivedBytes: number;
      /** Uncompressed bytes decoded so far. */
      readonly decodedBytes: number;
      readonly entries: number;
    }
  | {
      readonly type: "retry";
      readonly what: string;
      readonly why: string;
      readonly attempt: number;
      readonly delayMs: number;
    }
  /** A request to a registry, a token server or wherever they send us has ended. */
  | ({ readonly type: "request" } & RequestLine)
  | { readonly type: "phase"; readonly phase: "pull" | "seal" | "commit" }
  /** Where the time went, when that was asked for. After a success only. */
  | { readonly type: "timings"; readonly timings: ImportTimings }
  | { readonly type: "image_registered"; readonly name: string; readonly image_id: string }
  | { readonly type: "done" };

/** Called on the data path: returns at once. At most ten `layer_progress` a second and layer. */
export type OnEvent = (event: ImportEvent) => void;

/**
 * What time goes to. A layer: `turn` (until it was begun, or begun anew), `starved` (its worker had none of its bytes),
 * `digest`, `inflate`, `diffId`, `walk` (the archive), `place` (bodies), `queued` (bytes that waited for the worker); these
 * are all of its time. `fetch` overlaps with them: it is the time in which bytes were being read. The whole: `resolve`,
 * `merge`, `seal`, `sync`, `commit`.
 */
export type TimingStage =
  | "resolve"
  | "turn"
  | "fetch"
  | "starved"
  | "digest"
  | "inflate"
  | "diffId"
  | "walk"
  | "place"
  | "queued"
  | "merge"
  | "seal"
  | "sync"
  | "commit";

export interface StageTiming {
  readonly stage: TimingStage;
  readonly durationMs: number;
  /** Compressed in `fetch` and `digest`, then uncompressed, of `place` what was written; other stages have none. */
  readonly sizeBytes?: number;
  readonly bytesPerSecond?: number;
}

export interface LayerTimings {
  /** 0 is the base layer. */
  readonly layer: number;
  readonly digest: string;
  /** Compressed. */
  readonly sizeBytes: number;
  readonly decodedBytes: number;
  readonly entries: number;
  /** From the beginning of the pull, of all layers, to the end of this one. */
  readonly durationMs: number;
  readonly stages: readonly StageTiming[];
}

export type TimingResource = "network" | "processor" | "disk";

/** What an import would have to be given more of; the rule stands in ARCHITECTURE.md, "Where the time goes". */
export interface Bottleneck {
  readonly resource: TimingResource;
  /** Its stage with the most time. */
  readonly stage: TimingStage;
  /** The layer that ended last, whose way was followed; 0 is the base layer. None in an image without layers. */
  readonly layer?: number;
  /** Of that stage in the whole time, 0 to 1. */
  readonly share: number;
  readonly shares: Readonly<Record<TimingResource, number>>;
}

/** Where the time of one import or benchmark went. */
export interface ImportTimings {
  readonly durationMs: number;
  /** All layers as received, again where one was fetched twice. */
  readonly sizeBytes: number;
  readonly decodedBytes: number;
  readonly entries: number;
  /** Stages of layers are sums over the layers; `fetch` is the time in which any of them was read. */
  readonly stages: readonly StageTiming[];
  /** Bottom first; without those that share the decode of an equal one. */
  readonly layers: readonly LayerTimings[];
  readonly bottleneck: Bottleneck;
}
