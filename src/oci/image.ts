import type { Descriptor, Platform } from "./descriptor.ts";
import type { Digest } from "./digest.ts";

/** What sandboxes start with: the `config` of an image config (image-spec config.md). Empty fields are absent. */
export interface RunConfig {
  readonly user?: string;
  readonly env: readonly string[];
  readonly entrypoint?: readonly string[];
  readonly cmd?: readonly string[];
  readonly workingDir?: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly exposedPorts: readonly string[];
  readonly volumes: readonly string[];
  readonly stopSignal?: string;
}

/** What an import needs of an image config, besides the raw bytes that are kept as they are. */
export interface ImageConfig extends RunConfig {
  readonly platform: Platform;
  /** One a layer, bottom first: digests of the *uncompressed* layers. */
  readonly diffIds: readonly Digest[];
  readonly created?: string;
}

/** One layer of a resolved image: where it is and what it must be. */
export interface ResolvedLayer {
  /** 0 is the base layer. */
  readonly index: number;
  readonly descriptor: Descriptor;
  readonly diffId: Digest;
}

/** An image of one platform: all that was decided before the first layer byte is asked for. Every digest here is verified. */
export interface ResolvedImage {
  /** Fully qualified reference, or the source as given (`oci:DIR:TAG`). */
  readonly reference: string;
  /** Of the platform's manifest, not of the index that led to it. */
  readonly manifestDigest: Digest;
  readonly platform: Platform;
  readonly layers: readonly ResolvedLayer[];
  readonly config: ImageConfig;
  readonly configBytes: Uint8Array;
  readonly manifestBytes: Uint8Array;
  /** Things the user should know: another architecture than asked for, a refused login that was not needed. */
  readonly warnings: readonly { readonly code: string; readonly message: string }[];
}
