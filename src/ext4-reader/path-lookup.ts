import { ImportError, printable } from "../errors.ts";
import { directoryEntries } from "./directory-entries.ts";
import { symlinkTarget } from "./file-contents.ts";
import { INO } from "./format.ts";
import { fileType, readInode, type Inode } from "./inode.ts";
import type { Volume } from "./volume.ts";

/** Linux MAXSYMLINKS. */
const MOST_LINKS = 40;
/** Linux PATH_MAX: what is asked for, and what links make of it. */
const MOST_PATH_BYTES = 4096;
const SLASH = 0x2f;

export interface FoundFile {
  readonly inode: Inode;
  /** Components from the root, without links, `.` and `..`; empty: the root. */
  readonly path: readonly Buffer[];
}

interface Place {
  readonly inode: Inode;
  readonly name: Buffer;
}

/**
 * Looks a path up inside the image: it begins at the root, `..` stays at the root, links are followed inside it.
 * @param options.followLast whether a link at the very end is followed
 * @throws ImportError ERR_NOT_FOUND, ERR_NOT_A_DIRECTORY, ERR_LINK_LOOP, ERR_NAME_TOO_LONG, ERR_SNAPSHOT_DAMAGED
 */
export function findFile(
  volume: Volume,
  path: Uint8Array,
  options: { readonly followLast: boolean },
): FoundFile {
  const root = readInode(volume, INO.root);
  const places: Place[] = [];
  let rest = componentsOf(path, path);
  let links = 0;
  while (rest.length > 0) {
    const [name = Buffer.alloc(0), ...after] = rest;
    rest = after;
    const text = name.toString("latin1");
    if (text === ".") continue;
    if (text === "..") {
      places.pop();
      continue;
    }
    const directory = places.at(-1)?.inode ?? root;
    const inode = readInode(volume, childOf(volume, directory, { name, path }));
    const isLast = rest.length === 0;
    if (fileType(inode.mode) === "symlink" && (!isLast || options.followLast)) {
      if (++links > MOST_LINKS) throw linkLoop(path);
      const target = symlinkTarget(volume, inode);
      if (target[0] === SLASH) places.length = 0;
      rest = [...componentsOf(target, path), ...rest];
      continue;
    }
    if (!isLast && fileType(inode.mode) !== "directory") throw notADirectory(path, name);
    places.push({ inode, name });
  }
  return { inode: places.at(-1)?.inode ?? root, path: places.map(({ name }) => name) };
}

function childOf(
  volume: Volume,
  directory: Inode,
  wanted: { readonly name: Buffer; readonly path: Uint8Array },
): number {
  for (const { inode, name } of directoryEntries(volume, directory)) {
    if (wanted.name.equals(name)) return inode;
  }
  throw new ImportError("ERR_NOT_FOUND", `"${printable(wanted.path)}" is not in the image`, {
    hint: "List what is there with: tl sbx image files NAME PATH",
    details: { path: printable(wanted.path) },
  });
}

function componentsOf(text: Uint8Array, path: Uint8Array): readonly Buffer[] {
  if (text.length > MOST_PATH_BYTES) {
    throw new ImportError("ERR_NAME_TOO_LONG", `the path has more than ${MOST_PATH_BYTES} bytes`, {
      details: { path: printable(path) },
    });
  }
  const components: Buffer[] = [];
  for (let from = 0; from <= text.length;) {
    const slash = text.indexOf(SLASH, from);
    const end = slash === -1 ? text.length : slash;
    if (end > from) components.push(Buffer.from(text.subarray(from, end)));
    from = end + 1;
  }
  return components;
}

function linkLoop(path: Uint8Array): ImportError {
  return new ImportError(
    "ERR_LINK_LOOP",
    `"${printable(path)}" leads through more than ${MOST_LINKS} links`,
    { details: { path: printable(path) } },
  );
}

function notADirectory(path: Uint8Array, name: Uint8Array): ImportError {
  return new ImportError(
    "ERR_NOT_A_DIRECTORY",
    `"${printable(name)}" in "${printable(path)}" is not a directory`,
    { details: { path: printable(path) } },
  );
}
