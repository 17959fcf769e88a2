import fc from "fast-check";
import { openDiskImageFiles } from "../../src/browse/disk-image-files.ts";
import { findFile } from "../../src/browse/find-file.ts";
import { listFiles } from "../../src/browse/list-files.ts";
import type { DiskImage, ImageInode } from "../../src/image-reader/disk-image.ts";
import { outcomeFrom } from "./import-error.ts";

const NEVER = new AbortController().signal;
/** A hostile file can claim 16 TiB of holes; reading all of it is the caller's choice. */
const MOST_BYTES = 2 ** 20;

/** How reading a hostile image may end, besides with what it holds. */
const CODES = new Set([
  "ERR_SNAPSHOT_DAMAGED",
  "ERR_SNAPSHOT_UNSUPPORTED",
  "ERR_NAME_TOO_LONG",
  "ERR_LIMIT_EXCEEDED",
]);

/** @param outcome a number of what was found, or the code of an error */
export function isFine(outcome: number | string): boolean {
  return typeof outcome === "number" || CODES.has(outcome);
}

/** What is written over structures of an image. */
export const garbage: fc.Arbitrary<Uint8Array> = fc.oneof(
  fc.uint8Array({ minLength: 1, maxLength: 16 }),
  fc
    .tuple(fc.constantFrom(0, 0xff, 0x7f, 1), fc.integer({ min: 1, max: 64 }))
    .map(([byte, length]) => new Uint8Array(length).fill(byte)),
);

/** Reads everything that an image shows: the number of files, or the code of the error. */
export function readAll<I extends ImageInode>(
  opening: Promise<DiskImage<I>>,
): Promise<number | string> {
  return outcomeFrom(opening.then(countFiles));
}

async function countFiles<I extends ImageInode>(image: DiskImage<I>): Promise<number> {
  const files = await openDiskImageFiles(image);
  try {
    let count = 0;
    const root = findFile(files, Buffer.from("/"));
    for await (const { file } of listFiles(files, root, { recursive: true, signal: NEVER })) {
      count++;
      image.xattrs(file.node);
      if (file.facts.type === "file") await readFile(files.contents(file));
    }
    return count;
  } finally {
    await files.close();
  }
}

async function readFile(contents: AsyncIterable<Uint8Array>): Promise<void> {
  let bytes = 0;
  for await (const chunk of contents) {
    bytes += chunk.length;
    if (bytes > MOST_BYTES) return;
  }
}
