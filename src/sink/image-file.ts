import { closeSync, constants, fsyncSync, openSync } from "node:fs";
import { ioError } from "./io-error.ts";
import { timedSync } from "./sync-time.ts";
import { writeAll } from "./write-all.ts";

/** The image file, at positions in bytes. Both throw what `ioError` makes of a failed call. */
export interface ImageFile {
  /** Writes all of `bytes`. Borrowed: the caller reuses them at once. */
  write(bytes: Uint8Array, position: number): void;
  /**
   * From now on these blocks read as zeros: they are punched out of the file, or, where that cannot be had, overwritten.
   * Called for every run of blocks below `firstFreeBlock` that no body of the tree uses, also for runs that were never
   * written, in ascending order and before anything else is written. So nothing that a layer deleted stays readable.
   */
  release(firstBlock: number, blocks: number): void;
}

/** The last write of an image. */
export interface SuperblockTask {
  readonly imagePath: string;
  readonly superblock: Uint8Array;
  /** Where it lies, bytes. */
  readonly position: number;
  /** Whether what is in the file has to be on the disk first, and then the superblock. */
  readonly fsync: boolean;
}

/** A crash before the second write leaves a file without a superblock; one after it, all that the superblock tells of. */
export function writeSuperblock({ imagePath, superblock, position, fsync }: SuperblockTask): void {
  withImageFile(imagePath, constants.O_WRONLY, (fd) => {
    if (fsync) timedSync(fsyncSync, fd);
    writeAll(fd, superblock, position);
    if (fsync) timedSync(fsyncSync, fd);
  });
}

/** @throws ImportError ERR_OUTPUT_IO, ERR_DISK_FULL for what failed in the file; what `action` throws */
export function withImageFile<Result>(
  imagePath: string,
  flags: number,
  action: (fd: number) => Result,
): Result {
  let fd: number | undefined;
  try {
    fd = openSync(imagePath, flags | constants.O_NOFOLLOW);
    return action(fd);
  } catch (error) {
    throw ioError(error, "write the disk image", imagePath);
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}
