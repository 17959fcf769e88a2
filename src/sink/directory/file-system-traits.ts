import { fstatSync } from "node:fs";
import { ImportError } from "../../errors.ts";
import { createTimes, setMoment } from "../file-times.ts";
import { errnoOf } from "../io-error.ts";
import { PathBuffer } from "../path-buffer.ts";
import {
  chownFd,
  closeFd,
  openAt,
  OPEN_HANDLE,
  OPEN_NEW_FILE,
  setTimesFd,
  unlinkAt,
} from "../posix.ts";

/** What the file system below keeps of a time; the kernel clamps the rest in silence. */
export interface FileSystemTraits {
  readonly minSeconds: number;
  readonly maxSeconds: number;
  readonly nanoseconds: boolean;
}

/**
 * Tries out the file system on a file of its own, before anything is pulled.
 * @throws ImportError ERR_NOT_PERMITTED when owners cannot be set, ERR_OUTPUT_IO when names differing in case are one name
 */
export function probeFileSystem(
  directoryFd: number,
  { sameOwner, place }: { readonly sameOwner: boolean; readonly place: string },
): FileSystemTraits {
  const name = new PathBuffer().setText("probe");
  const fd = openAt(directoryFd, name, OPEN_NEW_FILE, 0o600);
  try {
    if (sameOwner) requireOwners(fd, place);
    requireCase(directoryFd, place);
    return {
      minSeconds: keptMoment(fd, -(2 ** 62)).seconds,
      maxSeconds: keptMoment(fd, 2 ** 62).seconds,
      nanoseconds: keptMoment(fd, 1, 123_456_789).nanoseconds === 123_456_789,
    };
  } finally {
    closeFd(fd);
    unlinkAt(directoryFd, name);
  }
}

/** A user namespace may map root alone, and a network file system may turn root into nobody. */
function requireOwners(fd: number, place: string): void {
  try {
    chownFd(fd, 1, 1);
  } catch (error) {
    throw new ImportError(
      "ERR_NOT_PERMITTED",
      `files at ${place} cannot be given to another user: ${errnoOf(error)}`,
      {
        hint: "Run as root of the machine (of a user namespace with all ids), choose another file system, or pass --no-same-owner.",
        details: { path: place },
        cause: error,
      },
    );
  }
}

/** `README` and `readme` are two files of an image; where they are one, the second would replace the first. */
function requireCase(directoryFd: number, place: string): void {
  try {
    closeFd(openAt(directoryFd, new PathBuffer().setText("PROBE"), OPEN_HANDLE));
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return;
    throw error;
  }
  throw new ImportError("ERR_OUTPUT_IO", `the file system at ${place} ignores case in names`, {
    hint: "Choose a directory on a file system that tells case apart, with --output or ROOTLIFT_HOME.",
    details: { path: place },
  });
}

function keptMoment(
  fd: number,
  seconds: number,
  nanoseconds = 0,
): { readonly seconds: number; readonly nanoseconds: number } {
  setTimesFd(fd, setMoment(createTimes(), seconds, nanoseconds));
  const { mtimeNs } = fstatSync(fd, { bigint: true });
  const kept = ((mtimeNs % 1_000_000_000n) + 1_000_000_000n) % 1_000_000_000n;
  return { seconds: Number((mtimeNs - kept) / 1_000_000_000n), nanoseconds: Number(kept) };
}
