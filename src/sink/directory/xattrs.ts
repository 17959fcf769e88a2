import { statfsSync } from "node:fs";
import { errnoOf } from "../io-error.ts";
import { PathBuffer } from "../path-buffer.ts";
import { setXattrAt, setXattrFd } from "../posix.ts";

/** What an attribute goes to: an open directory, or a name in one. */
export type XattrTarget =
  | { readonly fd: number }
  | { readonly dirFd: number; readonly name: PathBuffer };

const USER = Buffer.from("user.");
/** What a file system, or the kernel above it, answers to an attribute that it does not hold. */
const NOT_HELD = new Set(["ENOTSUP", "EOPNOTSUPP", "EPERM", "E2BIG", "ERANGE", "EINVAL"]);
/** Free blocks that tell a full disk from an inode that is full. */
const FREE_BLOCKS = 64;

/** Attributes that an ordinary user may own: the others lend rights or name users of the image. */
export function isUserXattr(name: Uint8Array): boolean {
  return USER.equals(name.subarray(0, USER.length));
}

/**
 * Sets one attribute.
 * @returns why it cannot be held, by the errno's name; undefined when it was set
 * @throws PosixError for a failing disk, a full one, and EACCES
 */
export function setXattr(
  target: XattrTarget,
  name: Uint8Array,
  value: Uint8Array,
): string | undefined {
  const key = new PathBuffer().set(name);
  try {
    if ("fd" in target) setXattrFd(target.fd, key, value);
    else setXattrAt(target.dirFd, target.name, key, value);
    return undefined;
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === undefined) throw error;
    if (NOT_HELD.has(errno)) return errno;
    // ext4 answers ENOSPC when the attributes of one inode outgrow its block, with a terabyte free.
    if (errno === "ENOSPC" && hasSpace("fd" in target ? target.fd : target.dirFd)) return errno;
    throw error;
  }
}

function hasSpace(fd: number): boolean {
  return statfsSync(`/proc/self/fd/${fd}`).bavail > FREE_BLOCKS;
}
