import {
  chmodSync,
  closeSync,
  constants,
  existsSync,
  fchmodSync,
  fchownSync,
  fstatSync,
  lchmodSync,
  lstatSync,
  openSync,
  readdirSync,
  renameSync,
  rmdirSync,
  unlinkSync,
} from "node:fs";
import { setImmediate } from "node:timers/promises";
import { ImportError, printable } from "../errors.ts";
import { errnoOf, fileError } from "./store-error.ts";

/**
 * Removes a directory whose content came out of an image: deeper than PATH_MAX, with names that are no UTF-8, with
 * directories that nobody may read, possibly with processes of other users at work in it.
 *
 * `path` itself, the workspace, is a directory of ours. Every directory below is first *moved up into it* under a number
 * and then emptied there. So no path has more than two components, one directory is open at a time, and:
 *
 * 1. A directory is entered only in the workspace, where nobody else can replace it: no symbolic link is ever followed.
 * 2. A mount point cannot be moved: what is mounted inside (somebody's /home, bound in for a chroot) is never entered.
 * 3. A crash leaves a workspace that the next call empties. Two processes may empty one at the same time.
 *
 * Not `sink/remove-tree.ts`, which the store may not import and which has openat(2) from koffi: a store is cleaned with Node's
 * own calls on every machine, also of what users did to a snapshot in the meantime.
 *
 * @throws ImportError ERR_STORE_IO when something stays; all the rest is gone then
 */
export async function removeWorkspace(path: string): Promise<void> {
  let descriptor: number;
  try {
    descriptor = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return;
    throw fileError(error, "remove", path);
  }
  try {
    makePrivate(descriptor);
    const viaDescriptor = `/proc/self/fd/${descriptor}`;
    await new Workspace(existsSync(viaDescriptor) ? viaDescriptor : path, path).empty();
    rmdirSync(path);
  } catch (error) {
    if (errnoOf(error) !== "ENOENT") throw fileError(error, "remove", path);
  } finally {
    closeSync(descriptor);
  }
}

/** Linux (fcntl.h, asm-generic): opens what may not even be read. Node has no name for it. */
const O_PATH = 0o10000000;
/** Operations between two turns of the event loop: signals and progress stay alive. */
const OPERATIONS_A_TURN = 256;
/** An errno of rename that means: something lies under this number already. */
const NUMBER_TAKEN = new Set(["EEXIST", "ENOTEMPTY", "ENOTDIR", "EISDIR"]);

class Workspace {
  /** Through the descriptor where the system can: the workspace stays the same one, whatever happens to its path. */
  readonly #base: string;
  readonly #shownPath: string;
  /** Names in the workspace: directories to be emptied. The last one first, so that few wait at a time. */
  readonly #waiting: string[] = [];
  #nextNumber = 0;
  #operations = 0;
  /** What went for good; a pass that removes nothing ends the attempt. */
  #removed = 0;
  #failure: ImportError | undefined;

  constructor(base: string, shownPath: string) {
    this.#base = base;
    this.#shownPath = shownPath;
  }

  async empty(): Promise<void> {
    for (;;) {
      const names = readdirSync(this.#base, "latin1");
      if (names.length === 0) return;
      const before = this.#removed;
      this.#failure = undefined;
      for (const name of names) await this.#take(Buffer.from(this.#base), name);
      for (let next = this.#waiting.pop(); next !== undefined; next = this.#waiting.pop()) {
        await this.#removeDirectory(`${this.#base}/${next}`);
      }
      if (this.#removed === before) {
        throw this.#failure ?? new ImportError("ERR_STORE_IO", `cannot empty ${this.#shownPath}`);
      }
    }
  }

  /** `path` is a number in the workspace: nobody else can make it something else between two calls. */
  async #removeDirectory(path: string): Promise<void> {
    try {
      const status = lstatSync(path);
      if (!status.isDirectory()) {
        unlinkSync(path);
      } else {
        if ((status.mode & 0o700) !== 0o700) chmodSync(path, 0o700);
        // latin1 keeps any byte of a name, and takes a third of the memory of buffers.
        for (const name of readdirSync(path, "latin1")) await this.#take(Buffer.from(path), name);
        rmdirSync(path);
      }
      this.#removed += 1;
    } catch (error) {
      this.#note(error, path);
    }
  }

  /** Unlinks an entry, or moves it up when it is a directory. */
  async #take(directory: Buffer, name: string): Promise<void> {
    this.#operations += 1;
    if (this.#operations % OPERATIONS_A_TURN === 0) await setImmediate();
    const path = Buffer.concat([directory, Buffer.from(`/${name}`, "latin1")]);
    try {
      unlinkSync(path);
      this.#removed += 1;
    } catch (error) {
      const errno = errnoOf(error);
      // POSIX says EPERM where Linux says EISDIR.
      if (errno === "EISDIR" || errno === "EPERM") this.#moveUp(path, name);
      else this.#note(error, name);
    }
  }

  #moveUp(path: Buffer, name: string): void {
    let mayChangeMode = true;
    for (;;) {
      this.#nextNumber += 1;
      // The pid: another process that empties the same workspace counts for itself.
      const number = `.${process.pid}-${this.#nextNumber}`;
      try {
        renameSync(path, `${this.#base}/${number}`);
        this.#waiting.push(number);
        return;
      } catch (error) {
        const errno = errnoOf(error) ?? "";
        if (errno === "EACCES" && mayChangeMode) {
          mayChangeMode = false;
          this.#makeMovable(path, name);
        } else if (!NUMBER_TAKEN.has(errno)) {
          this.#note(error, name);
          return;
        }
      }
    }
  }

  /** Without root, a directory moves to another parent only if it can be written itself: its `..` changes. */
  #makeMovable(path: Buffer, name: string): void {
    try {
      if (process.platform !== "linux") {
        lchmodSync(path, 0o700);
        return;
      }
      const flags = O_PATH | constants.O_DIRECTORY | constants.O_NOFOLLOW;
      const descriptor = openSync(path, flags);
      try {
        chmodSync(`/proc/self/fd/${descriptor}`, 0o700);
      } finally {
        closeSync(descriptor);
      }
    } catch (error) {
      this.#note(error, name);
    }
  }

  #note(error: unknown, name: string): void {
    if (errnoOf(error) === "ENOENT") {
      // Another process removes the same things.
      this.#removed += 1;
      return;
    }
    const shown = printable(Buffer.from(name, "latin1"));
    this.#failure ??= fileError(error, `remove "${shown}" in`, this.#shownPath);
  }
}

/** In a directory that another user could write, everything above would be open to him. */
function makePrivate(descriptor: number): void {
  const status = fstatSync(descriptor);
  const uid = process.geteuid?.() ?? status.uid;
  if (status.uid !== uid) fchownSync(descriptor, uid, -1);
  if ((status.mode & 0o777) !== 0o700) fchmodSync(descriptor, 0o700);
}
