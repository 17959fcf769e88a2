import type { Descriptor, Platform } from "../oci/descriptor.ts";
import type { ResolvedImage } from "../oci/image.ts";
import type { Limits } from "../limits.ts";
import type { LayerCache } from "./cached-source.ts";
import type { MirrorSettings } from "../registry/mirrors/resolve-hosts.ts";
import type { RequestLine } from "../progress.ts";
import type { Patience } from "../registry/request-timing.ts";

/** Where an image comes from: a registry, an OCI layout, an archive. Consumers cannot tell which. */
export interface ImageSource {
  /** For messages and records: the normalised reference or the path as given. */
  readonly reference: string;
  /**
   * Manifest, config and layer descriptors of the image for `platform`; never from a cache.
   * @param cache may have the config, which is named by its digest
   * @throws ImportError ERR_PLATFORM_NOT_FOUND, ERR_MANIFEST_INVALID, ERR_UNSUPPORTED_MEDIA_TYPE, ERR_AUTH_…, ERR_NETWORK …
   */
  resolve(
    platform: WantedPlatform,
    signal: AbortSignal,
    cache?: LayerCache,
  ): Promise<ResolvedImage>;
  /**
   * Opens one layer's compressed bytes from the start. Transient failures are resumed inside, at the byte where they
   * happened. Nothing is verified here but the length: whoever consumes the bytes hashes them.
   */
  openLayer(descriptor: Descriptor, options: OpenLayerOptions): Promise<ByteStream>;
  /**
   * Asked when the bytes of a layer turned out wrong: whether a mirror sent them, so that somebody else is asked by another `openLayer`.
   * `false` in the end. Absent: there is nobody else.
   */
  hasAnotherHost?(descriptor: Descriptor): boolean;
  /** Whether the layer came from a cache when it was last opened: then any damage of it is the cache's. */
  cameFromCache?(descriptor: Descriptor): boolean;
  /** Its layers come over the network, and are worth keeping. */
  readonly isRemote?: true;
  /** Frees connections and files. */
  close(): Promise<void>;
}

export interface OpenLayerOptions {
  readonly signal: AbortSignal;
  /** Asked again after a digest mismatch: caches in between are told not to answer, the mirrors that did are left out. */
  readonly fresh: boolean;
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
  /**
   * Before the first read: how long the thread that works on the bytes has had nothing to do so far, ms. A source that can
   * be faster at a price (more connections) pays it only for a consumer that idles.
   */
  watchConsumer?(idleMs: () => number): void;
  /** All bytes were read and had their digest. */
  verified?(): Promise<void>;
}

/** What every kind of source is opened with. */
export interface OpenSourceOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly limits: Limits;
  readonly plainHttp: boolean;
  readonly insecure: boolean;
  /** Connections for layers in all; default 8 in the public API. */
  readonly concurrency: number;
  /** Default true: connections that no layer uses fetch ranges of large ones, when one connection is too slow for the decoder. */
  readonly ranges?: boolean;
  /** `rootlift/0.1.0`; completed by the client (registry-cases PING-3). */
  readonly userAgent: string;
  /** Where mirrors of registries are configured; absent: nowhere. */
  readonly mirrors?: MirrorSettings;
  /** How much a registry may try our patience; default: that of `DEFAULT_TIMING`. */
  readonly patience?: Patience;
  readonly onRetry: (retry: SourceRetry) => void;
  /** A request has ended; for logs. */
  readonly onRequest?: (request: RequestLine) => void;
  /** Something that the user should know, of what happens after `resolve` too: a mirror that failed. */
  readonly onWarning?: (warning: SourceWarning) => void;
}

export interface SourceWarning {
  readonly code: string;
  readonly message: string;
}

export interface SourceRetry {
  readonly what: string;
  readonly why: string;
  readonly attempt: number;
  readonly delayMs: number;
}
