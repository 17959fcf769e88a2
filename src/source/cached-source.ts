import { cancellation, ImportError, throwIfCancelled } from "../errors.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import type { Digest } from "../oci/digest.ts";
import { digestOf } from "../oci/verify-bytes.ts";
import type { ByteStream, ImageSource, OpenLayerOptions } from "./image-source.ts";

/** What a source needs of a cache of blobs. Its writers never throw: what cannot be cached is not cached. */
export interface LayerCache {
  read(digest: Digest, sizeBytes: number): Promise<CachedLayer | undefined>;
  drop(digest: Digest): Promise<void>;
  write(digest: Digest, sizeBytes: number): Promise<LayerWriter | undefined>;
}

export interface CachedLayer {
  read(target: Uint8Array): Promise<number>;
  close(): void;
}

export interface LayerWriter {
  write(bytes: Uint8Array): Promise<void>;
  commit(): Promise<void>;
  discard(): Promise<void>;
}

/**
 * A source whose layers come from a cache where that has them, and go into it on their way to the decoder otherwise. The cache
 * is trusted no more than the network: the decoder checks the digest in both cases. A cached layer that turned out
 * wrong is dropped, and the source asked as if it had never been there.
 */
export function throughCache(source: ImageSource, cache: LayerCache): ImageSource {
  /** Digests of layers that came from the cache the last time. */
  const cached = new Set<string>();
  /** Those that came from the source because the cache had them wrong: that was the source's first attempt. */
  const firstAttempts = new Set<string>();
  return {
    reference: source.reference,
    resolve: (platform, signal) => source.resolve(platform, signal, cache),
    openLayer: async (descriptor, options) => {
      if (descriptor.data !== undefined) return source.openLayer(descriptor, options);
      const { digest, sizeBytes } = descriptor;
      throwIfCancelled(options.signal);
      if (cached.delete(digest.text)) {
        firstAttempts.add(digest.text);
        await cache.drop(digest);
        return openTeed({ source, cache }, descriptor, { ...options, fresh: false });
      }
      firstAttempts.delete(digest.text);
      const found = options.fresh ? undefined : await cache.read(digest, sizeBytes);
      if (found === undefined) return openTeed({ source, cache }, descriptor, options);
      cached.add(digest.text);
      return new CachedStream(found, descriptor, options.signal);
    },
    hasAnotherHost: (descriptor) =>
      firstAttempts.has(descriptor.digest.text) || source.hasAnotherHost?.(descriptor) === true,
    cameFromCache: ({ digest }) => cached.has(digest.text),
    close: () => source.close(),
  };
}

/** The bytes of a config, out of the cache or into it; whoever asked verifies them anyway. */
export async function configThrough(
  cache: LayerCache | undefined,
  { digest, sizeBytes }: Descriptor,
  fetchConfig: () => Promise<Uint8Array>,
): Promise<Uint8Array> {
  const isRight = (bytes: Uint8Array): boolean =>
    bytes.length === sizeBytes && digestOf(bytes, digest.algorithm).hex === digest.hex;
  const cached = await cache?.read(digest, sizeBytes);
  if (cached !== undefined) {
    const bytes = new Uint8Array(sizeBytes);
    await cached.read(bytes).catch(() => 0);
    cached.close();
    if (isRight(bytes)) return bytes;
    await cache?.drop(digest);
  }
  const bytes = await fetchConfig();
  if (cache === undefined || !isRight(bytes)) return bytes;
  const writer = await cache.write(digest, sizeBytes);
  await writer?.write(bytes);
  await writer?.commit();
  return bytes;
}

/** What the source sends goes into the cache before it goes on: the decoder's pace is the cache's too. */
async function openTeed(
  { source, cache }: { readonly source: ImageSource; readonly cache: LayerCache },
  descriptor: Descriptor,
  options: OpenLayerOptions,
): Promise<ByteStream> {
  const stream = await source.openLayer(descriptor, options);
  const writer = await cache.write(descriptor.digest, descriptor.sizeBytes);
  if (writer === undefined) return stream;
  return {
    read: async (target) => {
      const received = await stream.read(target);
      await writer.write(target.subarray(0, received));
      return received;
    },
    cancel: () => {
      stream.cancel();
      void writer.discard();
    },
    verified: () => writer.commit(),
    watchConsumer: (idleMs) => stream.watchConsumer?.(idleMs),
  };
}

class CachedStream implements ByteStream {
  readonly #blob: CachedLayer;
  readonly #descriptor: Descriptor;
  readonly #signal: AbortSignal;
  #position = 0;
  #closed = false;

  constructor(blob: CachedLayer, descriptor: Descriptor, signal: AbortSignal) {
    this.#blob = blob;
    this.#descriptor = descriptor;
    this.#signal = signal;
    signal.addEventListener("abort", this.cancel, { once: true });
  }

  async read(target: Uint8Array): Promise<number> {
    throwIfCancelled(this.#signal);
    const left = this.#descriptor.sizeBytes - this.#position;
    const wanted = target.subarray(0, left);
    if (left > 0 && this.#closed) throw cancellation(this.#signal);
    if (wanted.length === 0) return 0;
    const received = await this.#readOrFail(wanted);
    this.#position += received;
    if (received < wanted.length) throw this.#unusable("it was cut");
    if (received === left) this.cancel();
    return received;
  }

  readonly cancel = (): void => {
    if (this.#closed) return;
    this.#closed = true;
    this.#signal.removeEventListener("abort", this.cancel);
    this.#blob.close();
  };

  async #readOrFail(target: Uint8Array): Promise<number> {
    try {
      return await this.#blob.read(target);
    } catch (error) {
      if (this.#closed) throw cancellation(this.#signal);
      throw this.#unusable("it cannot be read", error);
    }
  }

  /** To whoever decodes, as good as wrong bytes: the layer is pulled instead. */
  #unusable(why: string, cause?: unknown): ImportError {
    const { digest } = this.#descriptor;
    const context = cause === undefined ? {} : { cause };
    const message = `the cached layer ${digest.text} is unusable: ${why}`;
    return new ImportError("ERR_DIGEST_MISMATCH", message, context);
  }
}
