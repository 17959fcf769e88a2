import { constants } from "node:fs";
import { open, rename, unlink } from "node:fs/promises";
import type { FileHandle } from "node:fs/promises";
import { dirname } from "node:path";
import type { Digest } from "../oci/digest.ts";
import { blobPath, incomingPath, makeCacheDirectory, makeRoom } from "./blob-files.ts";
import { lockNewIngest, type IngestLock } from "./ingest-lock.ts";
import { errnoOf, fileError } from "./store-error.ts";

export interface BlobCacheOptions {
  /** Of the store. */
  readonly homePath: string;
  /** Bytes of all blobs in it, at most; those that were not used for longest go first. */
  readonly limitBytes: number;
  /** Told once, when nothing more will be cached. */
  readonly onWarning: (message: string) => void;
}

/** A blob as it lies in the cache. Nothing is known of its bytes but how many there are. */
export interface CachedBlob {
  /** Fills `target`; less than its length, 0 too, only at the end. @throws ImportError ERR_STORE_IO */
  read(target: Uint8Array): Promise<number>;
  close(): void;
}

/** A blob on its way into the cache. Never throws: what cannot be cached is not cached. */
export interface BlobWriter {
  write(bytes: Uint8Array): Promise<void>;
  /** When all bytes were written and had the digest: now it is in the cache. */
  commit(): Promise<void>;
  /** Removes what was written. Safe to call at any time, and more than once. */
  discard(): Promise<void>;
}

/**
 * Compressed layers by their digest, for one import; any number of processes share the files (`blob-files.ts`).
 *
 * A blob grows under `incoming/`, and gets its name by one rename once whoever decoded it says that it had its digest. Nothing
 * is synced: what a power-off makes of a blob shows in its digest when it is read. Who reads has it open, so blobs
 * may be deleted at any time, by anybody.
 */
export class BlobCache {
  readonly #options: BlobCacheOptions;
  /** What this import has read or written: it does not go to make room for the rest of it. */
  readonly #used = new Set<string>();
  readonly #writers = new Set<BlobWriter>();
  #lock: IngestLock | undefined;
  #files = 0;
  #isFull = false;

  constructor(options: BlobCacheOptions) {
    this.#options = options;
  }

  /** @returns undefined when it is not there, or has another size */
  async read(digest: Digest, sizeBytes: number): Promise<CachedBlob | undefined> {
    const path = blobPath(this.#options.homePath, digest);
    let handle: FileHandle | undefined;
    try {
      handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
      const status = await handle.stat();
      if (status.isFile() && status.size === sizeBytes) {
        this.#used.add(path);
        const now = new Date();
        // The time of the last use; on a store that can only be read there is none.
        await handle.utimes(now, now).catch(() => undefined);
        return cachedBlob(handle, path);
      }
      await handle.close();
      await this.drop(digest);
    } catch {
      await handle?.close().catch(() => undefined);
    }
    return undefined;
  }

  /** A blob whose bytes are not what they must be. */
  async drop(digest: Digest): Promise<void> {
    const path = blobPath(this.#options.homePath, digest);
    this.#used.delete(path);
    await unlink(path).catch(() => undefined);
  }

  /** @returns undefined when there is no room for it, or nothing is cached any more */
  async write(digest: Digest, sizeBytes: number): Promise<BlobWriter | undefined> {
    const { homePath, limitBytes } = this.#options;
    if (this.#isFull || sizeBytes > limitBytes) return undefined;
    const incoming = incomingPath(homePath);
    try {
      makeCacheDirectory(incoming);
      const room = makeRoom(homePath, { limitBytes, sizeBytes, keep: this.#used });
      if (room === "disk") this.#giveUp("the disk has too little room");
      if (room !== "made") return undefined;
      this.#lock ??= lockNewIngest(incoming);
      this.#files += 1;
      const path = `${incoming}/${this.#lock.id}.${this.#files}`;
      const handle = await open(path, "wx", 0o600);
      const writer = this.#writer({ path, handle, digest, sizeBytes });
      // Its whole size counts from now on, for the others that look how much there is.
      await handle.truncate(sizeBytes).catch(() => undefined);
      this.#writers.add(writer);
      return writer;
    } catch (error) {
      this.#giveUp(reasonOf(error, incoming));
      return undefined;
    }
  }

  /** What was not committed goes. */
  async close(): Promise<void> {
    for (const writer of this.#writers) await writer.discard();
    try {
      this.#lock?.release();
    } catch {
      // A later run finds the lock file without an owner.
      this.#lock?.abandon();
    }
    this.#lock = undefined;
  }

  #giveUp(why: string): void {
    if (!this.#isFull) this.#options.onWarning(`the blob cache takes no more layers: ${why}`);
    this.#isFull = true;
  }

  #writer(parts: GrowingBlob): BlobWriter {
    const { path, handle, digest, sizeBytes } = parts;
    let position = 0;
    let ended: Promise<void> | undefined;
    const end = (last: () => Promise<void>): Promise<void> => {
      ended ??= handle
        .close()
        .catch(() => undefined)
        .then(last)
        .finally(() => this.#writers.delete(writer));
      return ended;
    };
    const discard = (): Promise<void> => end(() => unlink(path).catch(() => undefined));
    const writer: BlobWriter = {
      write: async (bytes) => {
        if (ended !== undefined) return;
        try {
          await writeFully(handle, bytes, position);
          position += bytes.length;
        } catch (error) {
          // Given up while it was written: that is no failure.
          const failed = ended === undefined;
          // At once: the import itself may be short of the room.
          await discard();
          if (failed) this.#giveUp(reasonOf(error, path));
        }
      },
      commit: () => (position === sizeBytes ? end(() => this.#publish(path, digest)) : discard()),
      discard,
    };
    return writer;
  }

  async #publish(path: string, digest: Digest): Promise<void> {
    const { homePath, limitBytes } = this.#options;
    const target = blobPath(homePath, digest);
    try {
      makeCacheDirectory(dirname(target));
      await rename(path, target);
      this.#used.add(target);
      makeRoom(homePath, { limitBytes, sizeBytes: 0, keep: this.#used });
    } catch (error) {
      await unlink(path).catch(() => undefined);
      // The cache was deleted meanwhile: that is everybody's right.
      if (errnoOf(error) !== "ENOENT") this.#giveUp(reasonOf(error, target));
    }
  }
}

interface GrowingBlob {
  readonly path: string;
  readonly handle: FileHandle;
  readonly digest: Digest;
  readonly sizeBytes: number;
}

async function writeFully(handle: FileHandle, bytes: Uint8Array, at: number): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    const { bytesWritten } = await handle.write(bytes, done, bytes.length - done, at + done);
    done += bytesWritten;
  }
}

function cachedBlob(handle: FileHandle, path: string): CachedBlob {
  let position = 0;
  return {
    read: async (target) => {
      let filled = 0;
      try {
        while (filled < target.length) {
          const left = target.length - filled;
          const { bytesRead } = await handle.read(target, filled, left, position);
          if (bytesRead === 0) break;
          filled += bytesRead;
          position += bytesRead;
        }
      } catch (error) {
        throw fileError(error, "read", path);
      }
      return filled;
    },
    close: () => {
      handle.close().catch(() => undefined);
    },
  };
}

function reasonOf(error: unknown, path: string): string {
  return fileError(error, "write", path).message;
}
