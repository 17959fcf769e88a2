import { createWriteStream } from "node:fs";
import { get } from "node:http";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import type { BlobInRegistry } from "./read-image.ts";

/** Where `copyBlobs` leaves a blob. */
export function blobPath(directory: string, digest: string): string {
  return join(directory, digest.replace(":", "-"));
}

/** Copies blobs into files; a digest that stands twice is copied once. */
export async function copyBlobs(
  blobs: readonly BlobInRegistry[],
  directory: string,
): Promise<void> {
  const byDigest = new Map(blobs.map((blob) => [blob.digest, blob]));
  for (const { url, digest } of byDigest.values()) {
    await new Promise<void>((settle, fail) => {
      get(url, (response) => {
        if (response.statusCode !== 200) {
          fail(new Error(`${url} answered ${response.statusCode}`));
          response.destroy();
          return;
        }
        pipeline(response, createWriteStream(blobPath(directory, digest))).then(settle, fail);
      }).on("error", fail);
    });
  }
}
