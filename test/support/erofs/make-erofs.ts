import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { openErofs, type ErofsVolume } from "../../../src/erofs-reader/volume.ts";
import { openErofsImage } from "../../../src/erofs-reader/erofs-image.ts";
import type { ErofsInode } from "../../../src/erofs-reader/inode.ts";
import { findFile } from "../../../src/browse/find-file.ts";
import { openDiskImageFiles } from "../../../src/browse/disk-image-files.ts";
import { crc32c } from "../../../src/image-reader/crc32c.ts";
import { bytesAt, overwrite } from "../damaged-image.ts";
import { populate } from "../ext4/populate.ts";
import { mustRun } from "../run-program.ts";

const SUPERBLOCK_AT = 1024;
const BLOCK = 4096;

/** Makes an image of a directory by mkfs.erofs, which is nobody of ours. */
export async function makeErofs(
  imagePath: string,
  from: string,
  options: readonly string[] = [],
): Promise<void> {
  await mustRun("mkfs.erofs", ["-d1", ...options, imagePath, from]);
}

/** A directory with something of everything, but for what mkfs.erofs 1.5 stumbles over. Takes root. */
export async function populatedTree(work: string, names: number): Promise<string> {
  const from = join(work, "tree");
  mkdirSync(from);
  await populate(from, { names });
  rmSync(join(from, "many", "n".repeat(255)));
  return from;
}

/** Looks at an image as our reader has it. */
export async function withErofs<T>(
  imagePath: string,
  use: (volume: ErofsVolume) => T | Promise<T>,
): Promise<T> {
  const volume = await openErofs(imagePath);
  try {
    return await use(volume);
  } finally {
    await volume.file.close();
  }
}

export async function erofsInodeOf(imagePath: string, path: string): Promise<ErofsInode> {
  const files = await openDiskImageFiles(await openErofsImage(imagePath));
  try {
    if (path === "/") return files.root.node;
    const [, ...names] = path.split("/");
    const last = names.pop() ?? "";
    const parent = findFile(files, Buffer.from(`/${names.join("/")}`)).file;
    // Not `findFile`: it would follow a link.
    const found = files.child(parent, Buffer.from(last));
    if (found === undefined) throw new Error(`${path} is not there`);
    return found.node;
  } finally {
    await files.close();
  }
}

/** Changes a superblock and gives it the checksum that it then has. */
export function editSuperblock(imagePath: string, change: (bytes: Buffer) => void): void {
  const bytes = bytesAt(imagePath, SUPERBLOCK_AT, BLOCK - SUPERBLOCK_AT);
  change(bytes);
  sealSuperblock(bytes);
  overwrite(imagePath, SUPERBLOCK_AT, bytes);
}

/** @param bytes from the superblock to the end of its block */
export function sealSuperblock(bytes: Buffer): void {
  bytes.writeUInt32LE(0, 4);
  bytes.writeUInt32LE(crc32c(0xffffffff, bytes), 4);
}

/** Changes bytes of an image; those in its first block change the checksum too, which is put right. */
export function editImage(imagePath: string, position: number, bytes: Uint8Array): void {
  overwrite(imagePath, position, bytes);
  if (position < BLOCK) editSuperblock(imagePath, () => undefined);
}
