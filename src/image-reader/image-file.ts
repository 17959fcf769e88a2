import { constants, readSync } from "node:fs";
import { open } from "node:fs/promises";
import { ImportError, printable } from "../errors.ts";

/** An image opened for positional reads. */
export interface ImageFile {
  readonly path: string;
  /** When it was opened. */
  readonly sizeBytes: number;
  /** Fills the target: metadata, small and mostly in the page cache. @throws ImportError ERR_STORE_IO */
  readonly readSync: (target: Uint8Array, position: number) => void;
  /** Fills the target without blocking: contents of files. @throws ImportError ERR_STORE_IO */
  readonly read: (target: Uint8Array, position: number) => Promise<void>;
  readonly close: () => Promise<void>;
}

/**
 * Attack: a FIFO or a device in the place of the image would block or never end, so anything but a regular file is
 * refused, and the open itself does not block.
 * @throws ImportError ERR_STORE_IO
 */
export async function openImageFile(path: string): Promise<ImageFile> {
  const handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK).catch(
    (error: unknown) => {
      throw readFailure(path, error);
    },
  );
  const stats = await handle.stat();
  if (!stats.isFile()) {
    await handle.close();
    throw new ImportError("ERR_STORE_IO", `${printable(path)} is no regular file`, {
      hint: "Import the image again.",
    });
  }
  return {
    path,
    sizeBytes: stats.size,
    readSync: (target, position) => {
      let done = 0;
      while (done < target.length) {
        const bytes = attempt(path, () =>
          readSync(handle.fd, target, done, target.length - done, position + done),
        );
        if (bytes === 0) throw endedEarly(path, position + done);
        done += bytes;
      }
    },
    read: async (target, position) => {
      let done = 0;
      while (done < target.length) {
        const { bytesRead } = await handle
          .read(target, done, target.length - done, position + done)
          .catch((error: unknown) => {
            throw readFailure(path, error);
          });
        if (bytesRead === 0) throw endedEarly(path, position + done);
        done += bytesRead;
      }
    },
    close: () => handle.close(),
  };
}

function attempt<T>(path: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw readFailure(path, error);
  }
}

function endedEarly(path: string, offsetBytes: number): ImportError {
  return new ImportError("ERR_STORE_IO", `${printable(path)} was cut while it was read`, {
    hint: "Something else writes to the image; stop it, and try again.",
    details: { path: printable(path), offsetBytes },
  });
}

function readFailure(path: string, cause: unknown): ImportError {
  if (cause instanceof ImportError) return cause;
  const errno = cause instanceof Error && "code" in cause ? String(cause.code) : "unknown error";
  return new ImportError("ERR_STORE_IO", `${printable(path)} cannot be read: ${errno}`, {
    hint: "Check that the file is there and that this user may read it, and the disk that holds it.",
    details: { path: printable(path), errno },
    cause,
  });
}
