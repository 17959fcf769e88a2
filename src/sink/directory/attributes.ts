import { createTimes, setMoment } from "../file-times.ts";
import { PathBuffer } from "../path-buffer.ts";
import {
  chmodFd,
  chmodHandle,
  chownAt,
  chownFd,
  closeFd,
  openAt,
  OPEN_HANDLE,
  setTimesAt,
  setTimesFd,
  type TimesBuffer,
} from "../posix.ts";
import type { BodyAttributes } from "../sink.ts";
import type { CreationDefaults } from "./creation-defaults.ts";

const PERMISSIONS = 0o7777;
/** Set-user-id and set-group-id. */
export const IDENTITY_BITS = 0o6000;

/** How owners are treated, and what new files have already. */
export interface OwnerPolicy {
  readonly sameOwner: boolean;
  readonly defaults: CreationDefaults;
}

/** Whether the owner on the disk is the entry's: always, or by luck (`--no-same-owner`). */
export function ownerIsExact(
  { sameOwner, defaults }: OwnerPolicy,
  { uid, gid }: { readonly uid: number; readonly gid: number },
): boolean {
  return sameOwner || (uid === defaults.uid && gid === defaults.gid);
}

/**
 * The permission bits to set. A set-id bit lends its owner's rights: where the owner is not the image's, it would lend
 * those of whoever imports, so it goes, as in tar.
 */
export function permissionsOf(policy: OwnerPolicy, attributes: BodyAttributes): number {
  const mode = attributes.mode & PERMISSIONS;
  return ownerIsExact(policy, attributes) ? mode : mode & ~IDENTITY_BITS;
}

/** Sets owner, mode and times of entries. Owner before mode: chown clears the set-id bits. One a thread; it has scratch memory. */
export class AttributeWriter {
  readonly policy: OwnerPolicy;
  readonly #times: TimesBuffer = createTimes();

  constructor(policy: OwnerPolicy) {
    this.policy = policy;
  }

  #mustChown({ uid, gid }: BodyAttributes): boolean {
    const { sameOwner, defaults } = this.policy;
    return sameOwner && (uid !== defaults.uid || gid !== defaults.gid);
  }

  /** Of a file that was just made with `permissionsOf(…) & 0o777`: no call for what it has already. */
  settleNewFile(fd: number, attributes: BodyAttributes): void {
    if (this.#mustChown(attributes)) chownFd(fd, attributes.uid, attributes.gid);
    const mode = permissionsOf(this.policy, attributes);
    if ((mode & 0o777 & ~this.policy.defaults.umask) !== mode) chmodFd(fd, mode);
    this.setTimes(fd, attributes);
  }

  setOwner(fd: number, attributes: BodyAttributes): void {
    if (this.#mustChown(attributes)) chownFd(fd, attributes.uid, attributes.gid);
  }

  setPermissions(fd: number, attributes: BodyAttributes): void {
    chmodFd(fd, permissionsOf(this.policy, attributes));
  }

  setTimes(fd: number, { mtimeSeconds, mtimeNanoseconds }: BodyAttributes): void {
    setTimesFd(fd, setMoment(this.#times, mtimeSeconds, mtimeNanoseconds));
  }

  /** Of a name that is not opened: a symlink, a device, a file whose mode would not let us. A symlink has no mode. */
  settleName(
    dirFd: number,
    name: PathBuffer,
    attributes: BodyAttributes,
    { isSymlink, isNew }: { readonly isSymlink: boolean; readonly isNew: boolean },
  ): void {
    const { uid, gid, mtimeSeconds, mtimeNanoseconds } = attributes;
    if (this.#mustChown(attributes) || (this.policy.sameOwner && !isNew)) {
      chownAt(dirFd, name, uid, gid);
    }
    if (!isSymlink) chmodName(dirFd, name, permissionsOf(this.policy, attributes));
    setTimesAt(dirFd, name, setMoment(this.#times, mtimeSeconds, mtimeNanoseconds));
  }
}

/** Through a handle, so that no symlink is followed. */
export function chmodName(dirFd: number, name: PathBuffer, mode: number): void {
  const handle = openAt(dirFd, name, OPEN_HANDLE);
  try {
    chmodHandle(handle, mode);
  } finally {
    closeFd(handle);
  }
}
