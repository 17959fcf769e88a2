import { constants } from "node:fs";
import type { FileHandle } from "node:fs/promises";
import { open } from "node:fs/promises";
import type { ErrorCode } from "../errors.ts";
import { ImportError, printable } from "../errors.ts";

export interface RegularFile {
  readonly handle: FileHandle;
  /** When it was opened. */
  readonly sizeBytes: number;
}

/** What the holder of the file is called in hints, and what to do when it is not right. */
export interface FileHolder {
  /** `layout` */
  readonly name: string;
  readonly whenMissing: string;
  readonly whenNotRegular: string;
  /** What a file that is none is to it. */
  readonly damage: ErrorCode;
}

const LAYOUT: FileHolder = {
  name: "layout",
  whenMissing: "The layout is incomplete or is not there: copy it again, or check the path.",
  whenNotRegular: "Write the layout again; its blobs are plain files.",
  damage: "ERR_MANIFEST_INVALID",
};

/**
 * Opens a file for reading. Symlinks are followed: stores that share blobs between layouts link them (Bazel does), and
 * what is read counts only if it hashes to the digest asked for. Attack: a FIFO or a device in the place of a file
 * would block or never end, so anything but a regular file is refused, and the open itself does not block.
 * @param what how messages name it: `layer sha256:… of oci:DIR`
 * @throws ImportError ERR_IMAGE_NOT_FOUND, ERR_NOT_PERMITTED, ERR_MANIFEST_INVALID (no regular file), ERR_STORE_IO
 */
export async function openRegularFile(
  path: string,
  what: string,
  holder: FileHolder = LAYOUT,
): Promise<RegularFile> {
  let handle: FileHandle | undefined;
  try {
    handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const stats = await handle.stat();
    if (stats.isFile()) return { handle, sizeBytes: stats.size };
  } catch (error) {
    await handle?.close();
    throw readFailure(error, path, what, holder);
  }
  await handle.close();
  throw new ImportError(holder.damage, `${what} is not a regular file`, {
    hint: holder.whenNotRegular,
    details: { path: printable(path) },
  });
}

/**
 * At most `maxBytes` of a file, in memory; whoever must know whether there is more asks for one more.
 * @throws ImportError as `openRegularFile`
 */
export async function readRegularFile(
  path: string,
  maxBytes: number,
  what: string,
): Promise<Uint8Array> {
  const { handle, sizeBytes } = await openRegularFile(path, what);
  try {
    const bytes = Buffer.alloc(Math.min(sizeBytes, maxBytes));
    return bytes.subarray(0, await readFully(handle, bytes, 0));
  } catch (error) {
    throw readFailure(error, path, what);
  } finally {
    await handle.close();
  }
}

/** Fills `target` from `position` on. @returns bytes read; fewer only at the end of the file */
export async function readFully(
  handle: FileHandle,
  target: Uint8Array,
  position: number,
): Promise<number> {
  let done = 0;
  while (done < target.length) {
    const { bytesRead } = await handle.read(target, done, target.length - done, position + done);
    if (bytesRead === 0) break;
    done += bytesRead;
  }
  return done;
}

/** A system error while reading, in our words. */
export function readFailure(
  error: unknown,
  path: string,
  what: string,
  holder: FileHolder = LAYOUT,
): ImportError {
  if (error instanceof ImportError) return error;
  const errno = error instanceof Error && "code" in error ? String(error.code) : "unknown error";
  const context = { details: { path: printable(path), errno }, cause: error };
  if (errno === "ENOENT" || errno === "ENOTDIR") {
    return new ImportError("ERR_IMAGE_NOT_FOUND", `${what} is missing`, {
      hint: holder.whenMissing,
      ...context,
    });
  }
  if (errno === "EACCES" || errno === "EPERM") {
    return new ImportError("ERR_NOT_PERMITTED", `${what} may not be read`, {
      hint: `Give this user the right to read the ${holder.name}.`,
      ...context,
    });
  }
  return new ImportError("ERR_STORE_IO", `${what} cannot be read: ${errno}`, {
    hint: `Check the disk that holds the ${holder.name}.`,
    ...context,
  });
}
