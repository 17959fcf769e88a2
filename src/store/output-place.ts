import {
  chmodSync,
  chownSync,
  linkSync,
  lstatSync,
  mkdirSync,
  opendirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmdirSync,
  unlinkSync,
} from "node:fs";
import { basename, dirname, isAbsolute, join, relative, resolve, sep } from "node:path";
import { ImportError, printable } from "../errors.ts";
import { syncDirectory } from "./durable-files.ts";
import { attempt, errnoOf, fileError } from "./store-error.ts";

/**
 * An output outside the store. The import (or export) grows in a hidden directory beside it, `.<name>.rootlift-<id>`, hence on the
 * same file system, and one rename(2) or link(2) makes it visible. Neither follows a symbolic link, nor replaces
 * anything but an empty directory: what somebody plants there between the check and the rename only makes it fail.
 */
export interface OutputPlace {
  /** Absolute; the parent's symbolic links are resolved. */
  readonly path: string;
  /** 0700. */
  readonly stagingPath: string;
  /** Parents that were missing, outermost first. They go with the import when it fails. */
  readonly missingParents: readonly string[];
  /** The empty directory that stood at `path`. It comes back when the import fails. */
  readonly emptyDirectory?: {
    readonly mode: number;
    readonly uid: number;
    readonly gid: number;
  };
  /** A file stood at `path`, and the new one takes its place. */
  readonly replacesFile?: true;
}

/** What was published, so that recovery never takes somebody else's directory of the same name for it. */
export interface Identity {
  readonly device: string;
  readonly inode: string;
  readonly birthtimeNs: string;
}

/** NAME_MAX is 255 bytes; the rest of the staging directory's name takes under 40. */
const MAX_STEM_CHARACTERS = 50;

/**
 * Looks where the output goes; makes nothing.
 * @throws ImportError ERR_OUTPUT_EXISTS, ERR_OUTPUT_IO, ERR_OPTION_INVALID (not absolute, or inside the store)
 */
export function planOutput(outputPath: string, ingestId: string, homePath: string): OutputPlace {
  const place = planPlace(outputPath, ingestId, homePath);
  const emptyDirectory = place.missingParents.length > 0 ? undefined : requireVacant(place.path);
  return { ...place, ...(emptyDirectory === undefined ? {} : { emptyDirectory }) };
}

/**
 * The same for a single file.
 * @param options.replace a regular file that is there gives way to the new one; nothing else does
 */
export function planOutputFile(
  outputPath: string,
  id: string,
  options: { readonly homePath: string; readonly replace: boolean; readonly hint?: string },
): OutputPlace {
  const place = planPlace(outputPath, id, options.homePath);
  const { path } = place;
  const status = attemptOutput("look at", path, () => lstatSync(path, { throwIfNoEntry: false }));
  if (status === undefined) return place;
  if (!status.isFile())
    throw outputExists(path, "is there, and is no regular file", "Name another.");
  if (!options.replace) {
    const { hint = "Overwrite it with --replace, or name another." } = options;
    throw outputExists(path, "exists already", hint);
  }
  return { ...place, replacesFile: true };
}

function planPlace(
  outputPath: string,
  id: string,
  homePath: string,
): Pick<OutputPlace, "path" | "stagingPath" | "missingParents"> {
  if (!isAbsolute(outputPath) || outputPath.includes("\0")) {
    const shown = printable(outputPath);
    throw new ImportError("ERR_OPTION_INVALID", `output "${shown}" is not an absolute path`);
  }
  const requested = resolve(outputPath);
  const { parent, missing } = resolveParent(dirname(requested), requested);
  const path = join(parent, basename(requested));
  if (isWithin(path, homePath)) {
    throw new ImportError("ERR_OPTION_INVALID", `output ${printable(path)} lies in the store`, {
      hint: "Name a place outside of it; an import without --output goes into the store.",
    });
  }
  const stem = Array.from(basename(path)).slice(0, MAX_STEM_CHARACTERS).join("");
  return {
    path,
    stagingPath: join(parent, `.${stem}.rootlift-${id}`),
    missingParents: missing,
  };
}

/** Makes the staging directory, and the parents that were missing. @throws ImportError ERR_OUTPUT_IO, ERR_DISK_FULL */
export function makeStaging({ missingParents, stagingPath }: OutputPlace): void {
  for (const parent of missingParents) attemptOutput("make", parent, () => ensureDirectory(parent));
  attemptOutput("make", stagingPath, () => mkdirSync(stagingPath, { mode: 0o700 }));
}

/** Makes the root filesystem visible at the output. @throws ImportError ERR_OUTPUT_EXISTS, ERR_OUTPUT_IO */
export function publish({ path, replacesFile }: OutputPlace, rootfsPath: string): void {
  try {
    if (lstatSync(rootfsPath).isDirectory()) renameDirectory(rootfsPath, path);
    else if (replacesFile === true) renameSync(rootfsPath, path);
    else moveFile(rootfsPath, path);
  } catch (error) {
    const appeared = ["EEXIST", "ENOTEMPTY", "ENOTDIR", "EISDIR"].includes(errnoOf(error) ?? "");
    if (!appeared) throw fileError(error, "move the root filesystem to", path, "ERR_OUTPUT_IO");
    throw outputExists(path, "is there by now; something made it meanwhile");
  }
}

/** Takes back what `publish` made visible, if it is still that, and puts back the empty directory that stood there. */
export function withdraw(place: OutputPlace, published: Identity): void {
  if (sameIdentity(identityOf(place.path), published)) {
    ensureDirectory(place.stagingPath, 0o700);
    renameDirectory(place.path, join(place.stagingPath, "withdrawn"));
  }
  const { emptyDirectory, path } = place;
  if (emptyDirectory === undefined || identityOf(path) !== undefined) return;
  mkdirSync(path, { mode: 0o700 });
  chownSync(path, emptyDirectory.uid, emptyDirectory.gid);
  chmodSync(path, emptyDirectory.mode);
}

/** Somebody uses it, or it is not ours any more. */
const PARENT_STAYS = new Set([
  "ENOTEMPTY",
  "EEXIST",
  "EBUSY",
  "ENOTDIR",
  "EACCES",
  "EPERM",
  "EROFS",
]);

/** Removes the parents that the import made, as far as nobody uses them. @throws ImportError ERR_OUTPUT_IO */
export function removeMadeParents({ missingParents }: OutputPlace): void {
  for (const parent of missingParents.toReversed()) {
    try {
      rmdirSync(parent);
    } catch (error) {
      const errno = errnoOf(error) ?? "";
      if (PARENT_STAYS.has(errno)) return;
      // Not made yet, when the import ended between two of them.
      if (errno !== "ENOENT") throw fileError(error, "remove", parent, "ERR_OUTPUT_IO");
    }
  }
}

/** Makes the output's name durable, and those of the parents that were made for it. @throws ImportError ERR_OUTPUT_IO, ERR_DISK_FULL */
export function syncOutput({ path, missingParents }: OutputPlace): void {
  for (const made of [path, ...missingParents.toReversed()]) {
    const parent = dirname(made);
    attemptOutput("sync", parent, () => syncDirectory(parent));
  }
}

/** @returns undefined when there is nothing */
export function identityOf(path: string): Identity | undefined {
  const status = lstatSync(path, { bigint: true, throwIfNoEntry: false });
  if (status === undefined) return undefined;
  return {
    device: String(status.dev),
    inode: String(status.ino),
    birthtimeNs: String(status.birthtimeNs),
  };
}

/** Moves a directory to another parent, even one that not even its owner may write (`/` is 0555 in some images). */
export function renameDirectory(from: string, to: string): void {
  try {
    renameSync(from, to);
  } catch (error) {
    const status = lstatSync(from, { throwIfNoEntry: false });
    const unwritable = status?.isDirectory() === true && (status.mode & 0o200) === 0;
    if (errnoOf(error) !== "EACCES" || !unwritable) throw error;
    // Its `..` changes, so the kernel asks for write permission on the directory itself.
    chmodSync(from, status.mode | 0o200);
    renameSync(from, to);
    chmodSync(to, status.mode);
  }
}

function resolveParent(
  directory: string,
  outputPath: string,
): { readonly parent: string; readonly missing: readonly string[] } {
  const missing: string[] = [];
  for (let existing = directory; ; existing = dirname(existing)) {
    try {
      const real = realpathSync(existing);
      const parents = missing.map((_, depth) => join(real, ...missing.slice(0, depth + 1)));
      return { parent: parents.at(-1) ?? real, missing: parents };
    } catch (error) {
      if (errnoOf(error) !== "ENOENT") {
        throw fileError(error, "use the output", outputPath, "ERR_OUTPUT_IO");
      }
    }
    missing.unshift(basename(existing));
  }
}

function requireVacant(path: string): OutputPlace["emptyDirectory"] {
  const status = attemptOutput("look at", path, () => lstatSync(path, { throwIfNoEntry: false }));
  if (status === undefined) return undefined;
  if (status.isSymbolicLink()) throw outputExists(path, "is a symbolic link");
  if (!status.isDirectory()) throw outputExists(path, "exists already");
  if (attemptOutput("read", path, () => !isEmpty(path))) {
    throw outputExists(path, "exists already and is not empty");
  }
  if (isMountPoint(path, status.dev)) {
    throw outputExists(path, "is a mount point, which cannot be replaced", "Name a new one in it.");
  }
  return { mode: status.mode & 0o7777, uid: status.uid, gid: status.gid };
}

function outputExists(
  path: string,
  why: string,
  // Not "remove it": it may be `/`.
  hint = "Name another place, or clear this one first.",
): ImportError {
  const shown = printable(path, 4096);
  return new ImportError("ERR_OUTPUT_EXISTS", `output ${shown} ${why}`, {
    hint,
    details: { path: shown },
  });
}

function isEmpty(path: string): boolean {
  const directory = opendirSync(path);
  try {
    return directory.readSync() === null;
  } finally {
    directory.closeSync();
  }
}

function isMountPoint(path: string, device: number): boolean {
  if (lstatSync(dirname(path)).dev !== device) return true;
  try {
    // proc(5): the fifth field is the mount point, with blanks and the like as octal escapes. It finds bind mounts too.
    return readFileSync("/proc/self/mountinfo", "utf8")
      .split("\n")
      .some((line) => unescapeOctal(line.split(" ")[4] ?? "") === path);
  } catch {
    return false;
  }
}

function unescapeOctal(field: string): string {
  return field.replaceAll(/\\([0-7]{3})/g, (_, digits: string) =>
    String.fromCodePoint(Number.parseInt(digits, 8)),
  );
}

/** link(2) fails when the name is taken, where rename(2) would silently replace a file. */
function moveFile(from: string, to: string): void {
  try {
    linkSync(from, to);
  } catch (error) {
    const unsupported = ["EPERM", "EOPNOTSUPP", "ENOTSUP"].includes(errnoOf(error) ?? "");
    if (!unsupported) throw error;
    if (identityOf(to) !== undefined) throw outputExists(to, "is there by now");
    renameSync(from, to);
    return;
  }
  unlinkSync(from);
}

function ensureDirectory(path: string, mode = 0o777): void {
  try {
    mkdirSync(path, { mode });
  } catch (error) {
    if (errnoOf(error) !== "EEXIST") throw error;
  }
}

function isWithin(path: string, ancestor: string): boolean {
  const way = relative(ancestor, path);
  return way === "" || !(way === ".." || way.startsWith(`..${sep}`) || isAbsolute(way));
}

function sameIdentity(one: Identity | undefined, other: Identity): boolean {
  return (
    one?.device === other.device &&
    one.inode === other.inode &&
    one.birthtimeNs === other.birthtimeNs
  );
}

function attemptOutput<T>(doing: string, path: string, operation: () => T): T {
  return attempt(doing, path, operation, "ERR_OUTPUT_IO");
}
