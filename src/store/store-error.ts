import { diskFull, isNoRoom } from "../disk-full.ts";
import { ImportError, printable } from "../errors.ts";
import type { ErrorCode } from "../errors.ts";

/** What a system call answered, in words; other codes are shown as they are. */
const REASONS: Readonly<Record<string, string>> = {
  EACCES: "permission denied",
  EBUSY: "it is in use, or a mount point",
  EEXIST: "something is there already",
  EFBIG: "no file may become that large (ulimit -f)",
  EIO: "the device reports an error",
  EISDIR: "it is a directory",
  ELOOP: "a symbolic link leads nowhere, or in a circle",
  EMFILE: "this process has too many open files",
  ENAMETOOLONG: "the name is too long",
  ENFILE: "the system has too many open files",
  ENOENT: "it does not exist",
  ENOTDIR: "it is not a directory",
  ENOTEMPTY: "it is not empty",
  EPERM: "operation not permitted",
  EROFS: "the file system is read-only",
  EXDEV: "it lies on another file system",
};

const HINTS: Readonly<Record<string, string>> = {
  EACCES: "Run as the user who owns it, or choose another place.",
  EPERM: "Run as the user who owns it, or choose another place.",
  EROFS: "Choose a place that can be written.",
  EBUSY: "Unmount it, or choose another place.",
  EIO: "Look at the health of the disk (dmesg), then try again.",
  ENOENT: "Check the path, or choose another place.",
  ENOTDIR: "Check the path, or choose another place.",
  EMFILE: "Raise the limit with `ulimit -n`.",
};

export const NO_SPACE_HINT =
  "Free some space, or choose another place for the store ($ROOTLIFT_HOME).";

/** `ENOENT` and the like; undefined for anything that is no system error. */
export function errnoOf(error: unknown): string | undefined {
  return error instanceof Error && "code" in error && typeof error.code === "string"
    ? error.code
    : undefined;
}

/**
 * A failed file operation as ERR_DISK_FULL, or else `code`. An ImportError passes through unchanged.
 * @param doing what was tried, to be followed by the path: `make the directory`
 */
export function fileError(
  error: unknown,
  doing: string,
  path: string,
  code: ErrorCode = "ERR_STORE_IO",
): ImportError {
  if (error instanceof ImportError) return error;
  const errno = errnoOf(error) ?? "";
  const place = printable(path, 4096);
  if (isNoRoom(errno)) {
    const hint = "Free some space, or choose another place.";
    return diskFull({ doing, place, errno, hint, cause: error });
  }
  const reason = REASONS[errno] ?? printable(error instanceof Error ? error.message : "unknown");
  const hint = HINTS[errno];
  return new ImportError(code, `cannot ${doing} ${place}: ${reason}`, {
    cause: error,
    details: { path: place, ...(errno === "" ? {} : { errno }) },
    ...(hint === undefined ? {} : { hint }),
  });
}

/** Runs one file operation; what it throws becomes `fileError`. */
export function attempt<T>(doing: string, path: string, operation: () => T, code?: ErrorCode): T {
  try {
    return operation();
  } catch (error) {
    throw fileError(error, doing, path, code);
  }
}

export function corrupt(path: string, why: string, cause?: unknown): ImportError {
  const place = printable(path, 4096);
  return new ImportError("ERR_STORE_CORRUPT", `the catalog ${place} is damaged: ${why}`, {
    hint: "Restore it from the records of the snapshots: tl store check --repair",
    details: { path: place },
    ...(cause === undefined ? {} : { cause }),
  });
}
