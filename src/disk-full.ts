import { existsSync, statfsSync } from "node:fs";
import { dirname } from "node:path";
import { ImportError } from "./errors.ts";

/** What a system call answers where nothing more can be stored. */
const NO_ROOM: ReadonlySet<string> = new Set(["ENOSPC", "EDQUOT"]);

export function isNoRoom(errno: string): boolean {
  return NO_ROOM.has(errno);
}

/** What a file system has left for this user. */
export interface DiskRoom {
  readonly freeBytes: number;
  /** Of files and directories. A file system that makes them as it needs them (btrfs) has no number. */
  readonly inodes?: { readonly free: number; readonly all: number };
}

/** @param path need not be there; what is nearest above it counts. @returns undefined where nobody can tell */
export function diskRoom(path: string): DiskRoom | undefined {
  try {
    let existing = path;
    while (!existsSync(existing) && dirname(existing) !== existing) existing = dirname(existing);
    const { bsize, bfree, bavail, files, ffree } = statfsSync(existing);
    // What is kept for root is there for root only.
    const freeBytes = bsize * (process.geteuid?.() === 0 ? bfree : bavail);
    return { freeBytes, ...(files > 0 ? { inodes: { free: ffree, all: files } } : {}) };
  } catch {
    return undefined;
  }
}

export interface NoRoom {
  /** After "cannot": `write the disk image`; hostile names already printable. */
  readonly doing: string;
  /** The path that was to be written, already printable. */
  readonly place: string;
  /** One of `isNoRoom`; undefined where nobody told (SQLite). */
  readonly errno?: string | undefined;
  /** What the user does next. */
  readonly hint: string;
  readonly cause: unknown;
}

/** ERR_DISK_FULL of one failed call: what ran out (bytes, inodes, the quota), where, and what is left there. */
export function diskFull({ doing, place, errno, hint, cause }: NoRoom): ImportError {
  const room = errno === "EDQUOT" ? undefined : diskRoom(place);
  const details = {
    path: place,
    ...(errno === undefined ? {} : { errno }),
    ...(room === undefined ? {} : { freeBytes: room.freeBytes }),
    ...(room?.inodes?.free === 0 ? { freeInodes: 0 } : {}),
  };
  const message = `cannot ${doing}: ${whatRanOut(errno, room)} at ${place}`;
  return new ImportError("ERR_DISK_FULL", message, { hint, details, cause });
}

function whatRanOut(errno: string | undefined, room: DiskRoom | undefined): string {
  if (errno === "EDQUOT") return "the disk quota is used up";
  if (room?.inodes?.free === 0) return `no inodes are left (all ${room.inodes.all} are in use)`;
  return "no space is left";
}

/** Rounded up to whole KiB or MiB: for what nobody knows exactly. */
export function roughBytes(bytes: number): string {
  return bytes > 2 ** 20 ? `${Math.ceil(bytes / 2 ** 20)} MiB` : `${Math.ceil(bytes / 1024)} KiB`;
}
