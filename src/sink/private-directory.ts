import { closeSync, constants, mkdirSync, openSync, rmdirSync } from "node:fs";
import { errnoOf } from "./io-error.ts";
import { PathBuffer } from "./path-buffer.ts";
import { chmodFd, chownFd, OPEN_DIRECTORY, O_PATH, removeXattrFd } from "./posix.ts";

const INHERITED_ACLS = ["system.posix_acl_default", "system.posix_acl_access"];

/**
 * Makes a directory that only this user enters, and that hands nothing down: no default ACL and no set-group-id bit of the
 * directory above (both would change mode and group of everything made below).
 * A failure leaves nothing behind.
 * @param path must not exist; its parent must
 */
export function makePrivateDirectory(path: string, owner: { uid: number; gid: number }): void {
  mkdirSync(path, { mode: 0o700 });
  try {
    const fd = openDirectory(path);
    try {
      for (const name of INHERITED_ACLS) removeAcl(fd, new PathBuffer().setText(name));
      chownFd(fd, owner.uid, owner.gid);
      chmodFd(fd, 0o700);
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    rmdirSync(path);
    throw error;
  }
}

/** A directory of our own by its absolute path: for staging places, never for what an image names. */
export function openDirectory(path: string): number {
  return openSync(path, OPEN_DIRECTORY);
}

/** The directory that holds a staging place, maybe by a symlink of the user's, maybe unreadable: enough to name what is in it. */
export function openHoldingDirectory(path: string): number {
  return openSync(path, O_PATH | constants.O_DIRECTORY);
}

function removeAcl(fd: number, name: PathBuffer): void {
  try {
    removeXattrFd(fd, name);
  } catch (error) {
    if (!["ENODATA", "EOPNOTSUPP", "ENOTSUP"].includes(errnoOf(error) ?? "")) throw error;
  }
}
