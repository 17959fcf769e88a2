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
  | { readonly type: "phase"; readonly phase: "pull" | "seal" | "commit" }
  | { readonly type: "image_registered"; readonly name: string; readonly image_id: string }
  | { readonly type: "done" };

/** Called on the data path: returns at once. At most ten `layer_progress` a second and layer. */
export type OnEvent = (event: ImportEvent) => void;
