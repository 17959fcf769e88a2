import { closeSync, constants, lstatSync, openSync, readdirSync, type Stats } from "node:fs";
import { setImmediate } from "node:timers/promises";
import { errnoOf } from "./store-error.ts";

export interface DiskUsage {
  /** Sum of the sizes that files say they have, holes included. */
  readonly sizeBytes: number;
  /** What they take of the disk. */
  readonly diskBytes: number;
}

/** A block of `st_blocks`, whatever the file system (stat(2)). */
const STAT_BLOCK = 512;
/** Between two turns of the event loop: signals stay alive. */
const FILES_A_TURN = 512;
/** Below PATH_MAX (4096), with room for a name. */
const LONGEST_PATH = 3500;

/**
 * Counts what is below some paths; a file with several names counts once, in the first place that has it. Never follows
 * a symbolic link, stays on the file system of each path, and what goes away meanwhile counts as nothing.
 */
export class DiskMeter {
  /** Files with more than one name. */
  readonly #seen = new Set<string>();
  #files = 0;

  /** @param except what is measured elsewhere: these paths, and what is below them */
  async measure(
    paths: readonly string[],
    except: ReadonlySet<string> = new Set(),
  ): Promise<DiskUsage> {
    const skipped = new Set([...except].map((path) => keyOf(Buffer.from(path))));
    let usage: DiskUsage = { sizeBytes: 0, diskBytes: 0 };
    for (const path of paths) {
      usage = addUsage(usage, await this.#measureOne(Buffer.from(path), skipped));
    }
    return usage;
  }

  async #measureOne(top: Buffer, skipped: ReadonlySet<string>): Promise<DiskUsage> {
    let [sizeBytes, diskBytes] = [0, 0];
    let device: number | undefined;
    const waiting: Buffer[] = [top];
    for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
      this.#files += 1;
      if (this.#files % FILES_A_TURN === 0) await setImmediate();
      if (skipped.size > 0 && skipped.has(keyOf(path))) continue;
      const status = statusOf(path);
      if (status === undefined || !this.#isNew(status)) continue;
      device ??= status.dev;
      if (status.dev !== device) continue;
      diskBytes += status.blocks * STAT_BLOCK;
      if (status.isFile()) sizeBytes += status.size;
      if (!status.isDirectory()) continue;
      for (const name of namesIn(path)) {
        waiting.push(Buffer.concat([path, Buffer.from(`/${name}`, "latin1")]));
      }
    }
    return { sizeBytes, diskBytes };
  }

  #isNew({ dev, ino, nlink, ...status }: Stats): boolean {
    if (nlink < 2 || (status.mode & constants.S_IFMT) === constants.S_IFDIR) return true;
    const key = `${dev}:${ino}`;
    if (this.#seen.has(key)) return false;
    this.#seen.add(key);
    return true;
  }
}

function keyOf(path: Buffer): string {
  return path.toString("latin1");
}

export function addUsage(one: DiskUsage, other: DiskUsage): DiskUsage {
  return {
    sizeBytes: one.sizeBytes + other.sizeBytes,
    diskBytes: one.diskBytes + other.diskBytes,
  };
}

function statusOf(path: Buffer): Stats | undefined {
  return atPath(path, (reachable) => lstatSync(reachable));
}

function namesIn(path: Buffer): readonly string[] {
  // latin1 keeps any byte of a name.
  return atPath(path, (reachable) => readdirSync(reachable, "latin1")) ?? [];
}

/**
 * Trees of images go deeper than a path may be long: the directories on the way are opened, a piece at a time.
 * @returns undefined for what is gone, or may not be read
 */
function atPath<T>(path: Buffer, action: (reachable: Buffer) => T): T | undefined {
  let rest = path;
  let descriptor: number | undefined;
  try {
    while (rest.length > LONGEST_PATH) {
      const end = rest.lastIndexOf("/", LONGEST_PATH);
      const flags = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW;
      const next = openSync(rest.subarray(0, end), flags);
      if (descriptor !== undefined) closeSync(descriptor);
      descriptor = next;
      rest = Buffer.concat([Buffer.from(`/proc/self/fd/${next}`), rest.subarray(end)]);
    }
    return action(rest);
  } catch (error) {
    const errno = errnoOf(error) ?? "";
    if (["ENOENT", "ENOTDIR", "EACCES", "ENAMETOOLONG", "ELOOP"].includes(errno)) return undefined;
    throw error;
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
}
