import type { Descriptor, Platform } from "../oci/descriptor.ts";
import type { ResolvedImage } from "../oci/image.ts";

/** Where an image comes from: a registry, an OCI layout, an archive. Consumers cannot tell which. */
export interface ImageSource {
  /** For messages and records: the normalised reference or the path as given. */
  readonly reference: string;
  /**
   * Manifest, config and layer descriptors of the image for `platform`; never from a cache.
   * @throws ImportError ERR_PLATFORM_NOT_FOUND, ERR_MANIFEST_INVALID, ERR_UNSUPPORTED_MEDIA_TYPE, ERR_AUTH_…, ERR_NETWORK …
   */
  resolve(platform: WantedPlatform, signal: AbortSignal): Promise<ResolvedImage>;
  /**
   * Opens one layer's compressed bytes from the start. Transient failures are resumed inside, at the byte where they
   * happened. Nothing is verified here but the length: whoever consumes the bytes hashes them.
   */
  openLayer(descriptor: Descriptor, signal: AbortSignal): Promise<ByteStream>;
  /** Frees connections and files. */
  close(): Promise<void>;
}

export interface WantedPlatform {
  readonly platform: Platform;
  /** Given by the user (`--platform`), so a single manifest of another platform is refused instead of warned about. */
  readonly explicit: boolean;
}

/** Bytes in order, pulled by their consumer: a buffer that is not offered is the back-pressure. */
export interface ByteStream {
  /**
   * Fills `target` from its start. Resolves with its whole length, or with less (0 too) only at the end of the stream.
   * One call at a time. Never delivers more than `descriptor.sizeBytes` in all.
   * @throws ImportError ERR_SIZE_MISMATCH (too few or too many bytes), ERR_NETWORK, ERR_TIMEOUT, ERR_IMAGE_NOT_FOUND …
   */
  read(target: Uint8Array): Promise<number>;
  /** Gives up: closes the connection or file. Safe to call at any time, more than once, and after the end. */
  cancel(): void;
}
