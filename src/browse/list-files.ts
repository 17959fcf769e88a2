import { setImmediate } from "node:timers/promises";
import { ImportError, printable, throwIfCancelled } from "../errors.ts";
import { DEFAULT_LIMITS } from "../limits.ts";
import type { FoundFile } from "./find-file.ts";
import type { RootFile, RootFiles } from "./root-files.ts";

/** Files listed between two pauses in which the process does other things: some milliseconds. */
const STEP = 512;
/** A guest can make deeper trees than an import: here a path may have 16 times Linux PATH_MAX. */
const MOST_PATH_BYTES = 65_536;

export interface ListedFile<N> {
  readonly file: RootFile<N>;
  /** From the root, with a slash before each component. */
  readonly path: Buffer;
  /** Of a symlink. */
  readonly target?: Buffer;
}

/** A directory whose names are being listed. */
interface Level<N> {
  readonly directory: RootFile<N>;
  readonly path: Buffer;
  /** In byte order; as latin1, which takes a quarter of what buffers do. */
  readonly names: readonly { readonly text: string; readonly id: number }[];
  next: number;
}

/**
 * What is in a directory, in byte order; with `recursive` also what is below, each directory before what it holds. Of
 * anything but a directory: that itself. Links are shown, not followed.
 * @throws ImportError ERR_LIMIT_EXCEEDED, ERR_NAME_TOO_LONG, ERR_CANCELLED; and as `RootFiles`
 */
export async function* listFiles<N>(
  files: RootFiles<N>,
  found: FoundFile<N>,
  options: { readonly recursive: boolean; readonly signal: AbortSignal },
): AsyncGenerator<ListedFile<N>, void, undefined> {
  const start = Buffer.concat(found.path.flatMap((name) => [Buffer.from("/"), name]));
  if (found.file.facts.type !== "directory") {
    yield listed(files, found.file, start);
    return;
  }
  let count = 0;
  const levels: Level<N>[] = [levelOf(files, found.file, start)];
  for (let level = levels.at(-1); level !== undefined; level = levels.at(-1)) {
    const entry = level.names[level.next++];
    if (entry === undefined) {
      levels.pop();
      continue;
    }
    const name = Buffer.from(entry.text, "latin1");
    const path = pathBelow(level.path, name);
    const file = files.named(level.directory, { name, id: entry.id });
    // Another process removed it meanwhile.
    if (file === undefined) continue;
    if (++count > DEFAULT_LIMITS.entries) throw tooMany();
    yield listed(files, file, path);
    const below = options.recursive && file.facts.type === "directory";
    if (below) levels.push(levelOf(files, file, path));
    if (count % STEP === 0) {
      throwIfCancelled(options.signal);
      await setImmediate();
    }
  }
}

function levelOf<N>(files: RootFiles<N>, directory: RootFile<N>, path: Buffer): Level<N> {
  const names: { readonly text: string; readonly id: number }[] = [];
  for (const { name, id } of files.names(directory)) {
    if (names.push({ text: name.toString("latin1"), id }) > DEFAULT_LIMITS.entries) throw tooMany();
  }
  // Code units of latin1 text are bytes.
  names.sort((a, b) => (a.text < b.text ? -1 : 1));
  return { directory, path, names, next: 0 };
}

function listed<N>(files: RootFiles<N>, file: RootFile<N>, path: Buffer): ListedFile<N> {
  return file.facts.type === "symlink"
    ? { file, path, target: files.target(file) }
    : { file, path };
}

function pathBelow(directory: Buffer, name: Buffer): Buffer {
  const path = Buffer.concat([directory, Buffer.from("/"), name]);
  if (path.length <= MOST_PATH_BYTES) return path;
  throw new ImportError(
    "ERR_NAME_TOO_LONG",
    `a path in the image has more than ${MOST_PATH_BYTES} bytes`,
    { details: { path: printable(directory) } },
  );
}

function tooMany(): ImportError {
  const limit = DEFAULT_LIMITS.entries;
  return new ImportError("ERR_LIMIT_EXCEEDED", `the image has more than ${limit} files`, {
    details: { limit },
  });
}
