import { diskFull, isNoRoom } from "../disk-full.ts";
import { ImportError, type ErrorCode } from "../errors.ts";

const FULL_HINT =
  "Free space (or inodes) on that file system, or choose another place with --output or ROOTLIFT_HOME.";

/** The errno's name of a failed system call, by koffi or by Node; undefined for any other error. */
export function errnoOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !("code" in error) || !("syscall" in error)) return undefined;
  return typeof error.code === "string" ? error.code : undefined;
}

/**
 * A failed system call as what the user can act on. Anything else comes back as it is: an `ImportError` tells more, and a
 * bug keeps its stack.
 * @param doing after "cannot": `make "usr/bin/x"`; hostile names already printable
 * @param place the directory on this machine that is written to
 */
export function ioError(error: unknown, doing: string, place: string): unknown {
  const errno = errnoOf(error);
  if (errno === undefined) return error;
  if (isNoRoom(errno)) return diskFull({ doing, place, errno, hint: FULL_HINT, cause: error });
  const context = { cause: error, details: { path: place, errno } };
  const { code, why } = REASONS[errno] ?? { code: "ERR_OUTPUT_IO", why: undefined };
  const text = why === undefined ? errno : `${why} (${errno})`;
  return new ImportError(code, `cannot ${doing} at ${place}: ${text}`, {
    ...context,
    hint: HINTS[errno] ?? "Look at the file system's health (dmesg), then import again.",
  });
}

const REASONS: Readonly<
  Record<string, { readonly code: ErrorCode; readonly why: string } | undefined>
> = {
  EACCES: { code: "ERR_OUTPUT_IO", why: "permission denied" },
  EPERM: { code: "ERR_OUTPUT_IO", why: "the operation is not permitted" },
  EROFS: { code: "ERR_OUTPUT_IO", why: "the file system is read-only" },
  ENOENT: { code: "ERR_OUTPUT_IO", why: "a file or directory is gone" },
  EIO: { code: "ERR_OUTPUT_IO", why: "the disk reports an error" },
  EMFILE: { code: "ERR_OUTPUT_IO", why: "too many open files" },
  ENAMETOOLONG: { code: "ERR_NAME_TOO_LONG", why: "the file system takes no name that long" },
  EMLINK: { code: "ERR_LIMIT_EXCEEDED", why: "the file system allows no more links" },
  EFBIG: { code: "ERR_LIMIT_EXCEEDED", why: "no file may become that large" },
};

const OTHER_PLACE = "Choose another place with --output or ROOTLIFT_HOME.";
const HINTS: Readonly<Record<string, string | undefined>> = {
  EACCES: "Choose a place that you may write to, with --output or ROOTLIFT_HOME.",
  EPERM: OTHER_PLACE,
  EROFS: OTHER_PLACE,
  ENOENT: "Something else removed it while it was written; import again.",
  EMFILE: "Raise the limit of open files (ulimit -n).",
  ENAMETOOLONG: "Use a file system that holds such names, e.g. ext4.",
  EMLINK: "Use a file system that allows more links, e.g. xfs.",
  EFBIG:
    "Raise the limit of file sizes (ulimit -f), or use a file system that holds such files, e.g. xfs.",
};
