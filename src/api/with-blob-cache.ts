import type { OnEvent } from "../progress.ts";
import { throughCache } from "../source/cached-source.ts";
import type { ImageSource } from "../source/image-source.ts";
import { BlobCache } from "../store/blob-cache.ts";

export interface BlobCacheSettings {
  readonly homePath: string;
  /** undefined: none. */
  readonly limitBytes: number | undefined;
  readonly emit: OnEvent;
}

/** Runs the action with the source behind the store's blob cache, where that is wanted and the source is a registry. */
export async function withBlobCache<T>(
  source: ImageSource,
  { homePath, limitBytes, emit }: BlobCacheSettings,
  action: (source: ImageSource) => Promise<T>,
): Promise<T> {
  if (limitBytes === undefined || source.isRemote !== true) return action(source);
  const onWarning = (message: string): void => {
    emit({ type: "warning", code: "blob_cache", message });
  };
  const cache = new BlobCache({ homePath, limitBytes, onWarning });
  try {
    return await action(throughCache(source, cache));
  } finally {
    await cache.close();
  }
}
