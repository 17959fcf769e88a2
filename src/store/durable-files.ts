import {
  closeSync,
  constants,
  fsyncSync,
  openSync,
  renameSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname } from "node:path";
import { errnoOf } from "./store-error.ts";

/** Makes the names in a directory durable: after a power-off, a rename that was not synced may not have happened. */
export function syncDirectory(path: string): void {
  const descriptor = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    fsyncSync(descriptor);
  } catch (error) {
    // Some FUSE and network file systems know no fsync of a directory; there is nothing else to ask of them.
    if (errnoOf(error) !== "EINVAL") throw error;
  } finally {
    closeSync(descriptor);
  }
}

/** Removes a file, if it is there. Not rmSync: of some failures (ENOSPC) that does not say what they are. */
export function removeFile(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if (errnoOf(error) !== "ENOENT") throw error;
  }
}

/** Writes a file that must not exist yet, readable by its owner only. */
export function writeNewFile(path: string, bytes: Uint8Array | string, fsync: boolean): void {
  const descriptor = openSync(path, "wx", 0o600);
  try {
    writeFileSync(descriptor, bytes);
    if (fsync) fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

/** Replaces a file as a whole: whoever reads it after a crash finds the old bytes or the new ones. */
export function replaceFile(path: string, bytes: Uint8Array | string, fsync: boolean): void {
  const newPath = `${path}.new`;
  removeFile(newPath);
  writeNewFile(newPath, bytes, fsync);
  renameSync(newPath, path);
  if (fsync) syncDirectory(dirname(path));
}
