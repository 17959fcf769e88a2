import { randomUUID } from "node:crypto";
import { mkdirSync, rmSync } from "node:fs";
import { open, readFile, rename, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { digestText } from "../digest-text.ts";

/** Bytes of a blob, read in slices: `read(from, to)` yields exactly `to - from` bytes. */
export interface StoredBlob {
  readonly sizeBytes: number;
  read(fromByte: number, toByte: number): AsyncIterable<Uint8Array>;
}

export interface BlobStore {
  put(bytes: Uint8Array): Promise<string>;
  find(digest: string): Promise<StoredBlob | undefined>;
  close(): void;
}

const SLICE_BYTES = 1 << 20;

export function memoryBlobStore(): BlobStore {
  const blobs = new Map<string, Uint8Array>();
  return {
    put: async (bytes) => {
      const digest = digestText(bytes);
      blobs.set(digest, bytes);
      return digest;
    },
    find: async (digest) => {
      const bytes = blobs.get(digest);
      return bytes === undefined ? undefined : memoryBlob(bytes);
    },
    close: () => blobs.clear(),
  };
}

export function memoryBlob(bytes: Uint8Array): StoredBlob {
  return {
    sizeBytes: bytes.length,
    async *read(fromByte, toByte) {
      for (let at = fromByte; at < toByte; at += SLICE_BYTES) {
        yield bytes.subarray(at, Math.min(at + SLICE_BYTES, toByte));
      }
    },
  };
}

export async function wholeOf(blob: StoredBlob): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const part of blob.read(0, blob.sizeBytes)) parts.push(part);
  return Buffer.concat(parts);
}

/** Files named by their digest below `directory`, which is removed at `close`. */
export function diskBlobStore(directory: string): BlobStore {
  mkdirSync(directory, { recursive: true });
  const pathOf = (digest: string): string => join(directory, digest.replace(":", "-"));
  return {
    put: async (bytes) => {
      const digest = digestText(bytes);
      const temporary = join(directory, `new-${randomUUID()}`);
      await writeFile(temporary, bytes);
      await rename(temporary, pathOf(digest));
      return digest;
    },
    find: async (digest) => {
      if (!/^[a-z0-9]+:[0-9a-f]+$/.test(digest)) return undefined;
      const path = pathOf(digest);
      const found = await stat(path).catch(() => undefined);
      return found === undefined ? undefined : fileBlob(path, found.size);
    },
    close: () => rmSync(directory, { recursive: true, force: true }),
  };
}

function fileBlob(path: string, sizeBytes: number): StoredBlob {
  return {
    sizeBytes,
    async *read(fromByte, toByte) {
      if (toByte - fromByte === sizeBytes && sizeBytes <= SLICE_BYTES) {
        yield await readFile(path);
        return;
      }
      const file = await open(path, "r");
      try {
        for (let at = fromByte; at < toByte;) {
          const wanted = Math.min(SLICE_BYTES, toByte - at);
          const { bytesRead, buffer } = await file.read(Buffer.alloc(wanted), 0, wanted, at);
          if (bytesRead === 0) throw new Error(`${path} ended at byte ${at}`);
          at += bytesRead;
          yield buffer.subarray(0, bytesRead);
        }
      } finally {
        await file.close();
      }
    },
  };
}
