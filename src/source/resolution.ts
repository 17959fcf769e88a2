import type { Limits } from "../limits.ts";
import type { Descriptor, Platform } from "../oci/descriptor.ts";
import type { Digest } from "../oci/digest.ts";
import type { ImageConfig } from "../oci/image.ts";
import type { ImageManifest } from "../oci/parse-manifest.ts";
import type { WantedPlatform } from "./image-source.ts";

/** A manifest or an index as it came, not yet looked at. */
export interface FetchedManifest {
  readonly bytes: Uint8Array;
  /** What the transport says it is (Content-Type, as received); `undefined` where there is no such thing. */
  readonly mediaType?: string | undefined;
}

/** Where a resolution starts: what a tag or digest names. */
export interface RootManifest extends FetchedManifest {
  /** What the bytes must hash to, when asked for by digest (or announced by Docker-Content-Digest). */
  readonly digest?: Digest | undefined;
}

/** Entries of an index that has no document of its own, such as the ones of a layout that share a tag. */
export interface RootEntries {
  readonly entries: readonly Descriptor[];
}

export interface ResolveImageInput {
  /** Normalised; for messages and records. */
  readonly reference: string;
  readonly root: RootManifest | RootEntries;
  readonly wanted: WantedPlatform;
  readonly limits: Limits;
  /**
   * Fetches a child manifest or index by its digest. Called only for descriptors without `data`. What it returns is
   * verified here against digest and size; it stops reading at `descriptor.sizeBytes` + 1 bytes or earlier.
   */
  fetchManifest(descriptor: Descriptor, signal: AbortSignal): Promise<FetchedManifest>;
  /** Fetches an image config, on the same terms. */
  fetchConfig(descriptor: Descriptor, signal: AbortSignal): Promise<Uint8Array>;
  readonly signal: AbortSignal;
}

/** The manifest of one platform, its bytes verified. */
export interface FoundManifest {
  readonly manifest: ImageManifest;
  readonly bytes: Uint8Array;
  readonly digest: Digest;
  /** As the index has it; `undefined` when only the config says it. */
  readonly platform: Platform | undefined;
  /** There already when the config had to decide. */
  readonly config: LoadedConfig | undefined;
}

export interface LoadedConfig {
  readonly bytes: Uint8Array;
  readonly config: ImageConfig;
}
