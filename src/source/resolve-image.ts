import type { Descriptor } from "../oci/descriptor.ts";
import type { Digest } from "../oci/digest.ts";
import type { Limits } from "../limits.ts";
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

export interface ResolveImageInput {
  /** Normalised; for messages and records. */
  readonly reference: string;
  readonly root: RootManifest;
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
