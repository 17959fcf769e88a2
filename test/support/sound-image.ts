import { join } from "node:path";
import { expect } from "vitest";
import { imageProblems } from "./ext4-check.ts";
import { TEST_IDENTITY, writeImage, type ImageOptions, type WrittenImage } from "./ext4-image.ts";
import { expectedRows, lostFoundRow } from "./ext4-tree-rows.ts";
import { withMounted } from "./loop-mount.ts";
import { rootRows, rowDifferences } from "./root-rows.ts";
import { mustRun } from "./run-program.ts";
import { scratchDirectory } from "./scratch.ts";
import type { TreeEntry } from "./tree-builder.ts";

/** Of the entries that these functions make: seconds and nanoseconds. */
export const MTIME = [1_700_000_000, 123_456_789] as const;

export function file(path: string, content: string | Uint8Array = path): TreeEntry {
  const bytes = typeof content === "string" ? Buffer.from(content, "latin1") : content;
  return { path, type: "file", content: bytes, mtime: MTIME };
}

export function directory(path: string, more: Partial<TreeEntry> = {}): TreeEntry {
  return { path, type: "directory", mtime: MTIME, ...more };
}

/** An image file in a scratch directory of the running test. */
export interface SoundImage extends WrittenImage {
  readonly path: string;
}

/** Writes an image and expects e2fsck to like it. */
export async function soundImage(
  entries: readonly TreeEntry[],
  options: ImageOptions = {},
): Promise<SoundImage> {
  const path = join(scratchDirectory(), "rootfs.ext4");
  const written = writeImage(path, entries, options);
  expect(await imageProblems(path)).toEqual([]);
  return { path, ...written };
}

/** Also mounts it, and expects the tree. */
export async function faithfulImage(
  entries: readonly TreeEntry[],
  options: ImageOptions = {},
): Promise<SoundImage> {
  const image = await soundImage(entries, options);
  const expected = [...expectedRows(image.tree, image.contents)];
  if (!entries.some(({ path }) => path.split("/")[0] === "lost+found")) {
    expected.push(lostFoundRow(TEST_IDENTITY.epochSeconds));
  }
  const rows = await withMounted(image.path, "read-only", (root) =>
    rootRows(root, { withRoot: true }),
  );
  expect(rowDifferences(rows, expected)).toEqual([]);
  expect(rows.length).toBe(expected.length);
  return image;
}

/** What debugfs answers to one command. */
export function debugfs(imagePath: string, command: string): Promise<string> {
  return mustRun("debugfs", ["-R", command, imagePath]);
}
