import { ImportError, printable } from "../errors.ts";
import { DEFAULT_LIMITS } from "../limits.ts";
import type { RootFile, RootFiles } from "./root-files.ts";

const SLASH = 0x2f;

export interface FoundFile<N> {
  readonly file: RootFile<N>;
  /** Components from the root, without links, `.` and `..`; empty: the root. */
  readonly path: readonly Buffer[];
}

interface Place<N> {
  readonly file: RootFile<N>;
  readonly name: Buffer;
}

/**
 * Looks a path up as a process in that root would: it begins at the root, `..` stays at the root, links are followed
 * inside it, also one at the end.
 * @throws ImportError ERR_NOT_FOUND, ERR_NOT_A_DIRECTORY, ERR_LINK_LOOP, ERR_NAME_TOO_LONG; and as `RootFiles`
 */
export function findFile<N>(files: RootFiles<N>, path: Uint8Array): FoundFile<N> {
  const places: Place<N>[] = [];
  const rest = componentsOf(path, path).toReversed();
  let links = 0;
  for (let name = rest.pop(); name !== undefined; name = rest.pop()) {
    const text = name.toString("latin1");
    const directory = places.at(-1)?.file ?? files.root;
    if (directory.facts.type !== "directory") throw notADirectory(path, places.at(-1)?.name);
    if (text === ".") continue;
    if (text === "..") {
      places.pop();
      continue;
    }
    const file = files.child(directory, name);
    if (file === undefined) throw notFound(path);
    if (file.facts.type !== "symlink") {
      places.push({ file, name });
      continue;
    }
    if (++links > DEFAULT_LIMITS.symlinksFollowed) throw linkLoop(path);
    const target = files.target(file);
    if (target[0] === SLASH) places.length = 0;
    rest.push(...componentsOf(target, path).toReversed());
  }
  return { file: places.at(-1)?.file ?? files.root, path: places.map(({ name }) => name) };
}

/** A slash at the end asks for a directory, as `.` behind it would. */
function componentsOf(text: Uint8Array, path: Uint8Array): readonly Buffer[] {
  if (text.length > DEFAULT_LIMITS.pathBytes) {
    throw new ImportError(
      "ERR_NAME_TOO_LONG",
      `the path has more than ${DEFAULT_LIMITS.pathBytes} bytes`,
      { details: { path: printable(path) } },
    );
  }
  const components: Buffer[] = [];
  for (let from = 0; from <= text.length;) {
    const slash = text.indexOf(SLASH, from);
    const end = slash === -1 ? text.length : slash;
    if (end > from) components.push(Buffer.from(text.subarray(from, end)));
    from = end + 1;
  }
  if (text.at(-1) === SLASH) components.push(Buffer.from("."));
  return components;
}

function notFound(path: Uint8Array): ImportError {
  return new ImportError("ERR_NOT_FOUND", `"${printable(path)}" is not in the image`, {
    hint: "See what is there with: tl sbx image files NAME_OR_ID [PATH]",
    details: { path: printable(path) },
  });
}

function notADirectory(path: Uint8Array, name: Uint8Array = Buffer.from("/")): ImportError {
  return new ImportError(
    "ERR_NOT_A_DIRECTORY",
    `"${printable(name)}" in "${printable(path)}" is not a directory`,
    { hint: "Leave out what follows it.", details: { path: printable(path) } },
  );
}

function linkLoop(path: Uint8Array): ImportError {
  const most = DEFAULT_LIMITS.symlinksFollowed;
  return new ImportError(
    "ERR_LINK_LOOP",
    `"${printable(path)}" leads through more than ${most} links`,
    { hint: "Its links lead in a circle.", details: { path: printable(path) } },
  );
}
