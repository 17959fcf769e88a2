import { fstatSync, readdirSync } from "node:fs";
import { basename, dirname } from "node:path";
import { errnoOf } from "./io-error.ts";
import { PathBuffer } from "./path-buffer.ts";
import {
  chmodFd,
  chmodHandle,
  closeFd,
  openAt,
  OPEN_DIRECTORY,
  OPEN_DIRECTORY_HANDLE,
  removeDirectoryAt,
  unlinkAt,
} from "./posix.ts";
import { openHoldingDirectory } from "./private-directory.ts";
import { countProgress } from "./work-progress.ts";

/** Names removed between two steps: some milliseconds. */
const STEP = 512;
const PARENT = new PathBuffer().setText("..");

interface Identity {
  readonly device: bigint;
  readonly inode: bigint;
}

/** A directory on the way down. It is not kept open: depth costs no descriptors. */
interface Level {
  readonly name: Uint8Array;
  readonly identity: Identity;
  /** Directories in it that are still there. */
  readonly pending: Uint8Array[];
}

/**
 * Removes a directory with all below: any depth, any names, any modes; links are removed, never followed. A path that
 * does not exist is fine. Each name is looked up in its open parent; the way back up is `..`, compared with the directory
 * that it came from, so that one moved away meanwhile cannot lead the removal elsewhere. (`store/remove-tree.ts` does it without
 * koffi, and cannot be synchronous in a worker.)
 * @throws PosixError, or Node's own error, when something cannot be removed
 */
export function removeTree(path: string): void {
  for (const _ of removalSteps(path)) countProgress();
}

/** `removeTree`, in steps of some milliseconds between which the thread does other things. */
export async function removeTreeInSteps(path: string): Promise<void> {
  for (const _ of removalSteps(path)) {
    await new Promise<void>((resolve) => {
      setImmediate(resolve);
    });
  }
}

function* removalSteps(path: string): Generator<void, void, undefined> {
  let fd = orIfMissing(() => openHoldingDirectory(dirname(path)), undefined);
  if (fd === undefined) return;
  try {
    const top: Level = {
      name: Buffer.alloc(0),
      identity: identityOf(fd),
      pending: [Buffer.from(basename(path))],
    };
    const stack = [top];
    let sinceStep = 0;
    for (let level: Level = top; level !== top || top.pending.length > 0; level = stack.at(-1)!) {
      const child = level.pending.pop();
      if (child === undefined) {
        stack.pop();
        fd = climb(fd, stack.at(-1)!, path);
        removeEmptied(fd, level.name);
        continue;
      }
      const below = descend(fd, child);
      if (below === undefined) continue;
      closeFd(fd);
      fd = below;
      requireSameDevice(fd, level, path);
      const pending: Uint8Array[] = [];
      stack.push({ name: child, identity: identityOf(fd), pending });
      sinceStep = yield* removeFiles(fd, pending, sinceStep + 1);
    }
  } finally {
    closeFd(fd);
  }
}

/** Opens a directory so that it can be emptied; what turns out to be none is removed at once. */
function descend(parentFd: number, name: Uint8Array): number | undefined {
  const path = new PathBuffer().set(name);
  let fd: number | undefined;
  try {
    fd = openAt(parentFd, path, OPEN_DIRECTORY);
    // Its owner may have taken the right to remove from himself; root needs no right.
    if (process.geteuid?.() !== 0 && (fstatSync(fd).mode & 0o700) !== 0o700) chmodFd(fd, 0o700);
    return fd;
  } catch (error) {
    if (fd !== undefined) closeFd(fd);
    const errno = errnoOf(error);
    if (errno === "EACCES") return openUnreadable(parentFd, path);
    if (errno === "ENOTDIR" || errno === "ELOOP") {
      orIfMissing(() => unlinkAt(parentFd, path), undefined);
    } else if (errno !== "ENOENT") throw error;
    return undefined;
  }
}

function openUnreadable(parentFd: number, path: PathBuffer): number {
  const handle = openAt(parentFd, path, OPEN_DIRECTORY_HANDLE);
  try {
    chmodHandle(handle, 0o700);
    return openAt(parentFd, path, OPEN_DIRECTORY);
  } finally {
    closeFd(handle);
  }
}

/** @returns how many names went since the last step, as `sinceStep` came in */
function* removeFiles(
  fd: number,
  directories: Uint8Array[],
  sinceStep: number,
): Generator<void, number, undefined> {
  const path = new PathBuffer();
  let done = sinceStep;
  const entries = readdirSync(`/proc/self/fd/${fd}`, { withFileTypes: true, encoding: "buffer" });
  for (const entry of entries) {
    if (entry.isDirectory()) directories.push(entry.name);
    else orIfMissing(() => unlinkAt(fd, path.set(entry.name)), undefined);
    if (++done < STEP) continue;
    done = 0;
    yield;
  }
  return done;
}

/** Opens the directory above in place of `fd`. */
function climb(fd: number, parent: Level, path: string): number {
  const above = openAt(fd, PARENT, OPEN_DIRECTORY_HANDLE);
  const { device, inode } = identityOf(above);
  if (device !== parent.identity.device || inode !== parent.identity.inode) {
    closeFd(above);
    throw new Error(`${path} was moved while it was removed`);
  }
  closeFd(fd);
  return above;
}

function removeEmptied(parentFd: number, name: Uint8Array): void {
  orIfMissing(() => removeDirectoryAt(parentFd, new PathBuffer().set(name)), undefined);
}

/** What is mounted inside belongs to somebody else. */
function requireSameDevice(fd: number, { identity }: Level, path: string): void {
  if (identityOf(fd).device === identity.device) return;
  throw new Error(`${path} has another file system mounted in it`);
}

function identityOf(fd: number): Identity {
  const { dev, ino } = fstatSync(fd, { bigint: true });
  return { device: dev, inode: ino };
}

function orIfMissing<T>(action: () => T, otherwise: T): T {
  try {
    return action();
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return otherwise;
    throw error;
  }
}
