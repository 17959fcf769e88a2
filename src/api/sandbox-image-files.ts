import { isUtf8 } from "node:buffer";
import { findFile } from "../browse/find-file.ts";
import { listFiles, type ListedFile } from "../browse/list-files.ts";
import { withRootFiles } from "../browse/open-root-files.ts";
import type { RootFiles } from "../browse/root-files.ts";
import { ImportError, printable, throwIfCancelled } from "../errors.ts";
import { cancellable } from "./cancellable.ts";
import type {
  ListSandboxImageFilesOptions,
  ReadSandboxImageOptions,
  SandboxImageFile,
} from "./public-types.ts";
import { requireImage } from "./require-image.ts";
import { withStore } from "./store-settings.ts";
import { storedRootfs } from "./stored-rootfs.ts";

/** The latest time that a `Date` holds, seconds. */
const LAST_SECOND = 8.64e12;

/**
 * What is in a directory of an image, in byte order; of anything else, that itself. Links on the way are followed inside
 * the image, links in the list are shown. Works for every format of snapshot, and mounts nothing.
 *
 * @param nameOrId name or id of an image, or id of its snapshot
 * @param path inside the image; bytes where it is not UTF-8
 * @throws ImportError ERR_NOT_FOUND (the image, the path), ERR_NOT_A_DIRECTORY, ERR_LINK_LOOP, ERR_NAME_TOO_LONG,
 *   ERR_SNAPSHOT_DAMAGED, ERR_SNAPSHOT_UNSUPPORTED, ERR_STORE_IO, ERR_CANCELLED
 */
export async function* listSandboxImageFiles(
  nameOrId: string,
  path: string | Uint8Array = "/",
  options: ListSandboxImageFilesOptions = {},
): AsyncGenerator<SandboxImageFile, void, undefined> {
  const { recursive = false } = options;
  const bytes = pathBytes(path);
  yield* await opened(nameOrId, options, async function* list<
    N,
  >(files: RootFiles<N>, signal: AbortSignal) {
    for await (const found of listFiles(files, findFile(files, bytes), { recursive, signal })) {
      yield describeFile(found);
    }
  });
}

/** One file of an image, links followed. @throws ImportError as `listSandboxImageFiles` */
export async function statSandboxImageFile(
  nameOrId: string,
  path: string | Uint8Array,
  options: ReadSandboxImageOptions = {},
): Promise<SandboxImageFile> {
  const bytes = pathBytes(path);
  const found = await opened(nameOrId, options, async function* stat<N>(files: RootFiles<N>) {
    const { file, path: components } = findFile(files, bytes);
    const text = components.flatMap((name) => [Buffer.from("/"), name]);
    yield describeFile({
      file,
      path: Buffer.concat(text.length === 0 ? [Buffer.from("/")] : text),
    });
  });
  for await (const file of found) return file;
  throw new TypeError("nothing was found, and nothing thrown");
}

/**
 * The contents of a file of an image, links followed inside it, in chunks that belong to whoever takes them.
 * @throws ImportError as `listSandboxImageFiles`, and ERR_OPTION_INVALID (not a regular file)
 */
export async function* readSandboxImageFile(
  nameOrId: string,
  path: string | Uint8Array,
  options: ReadSandboxImageOptions = {},
): AsyncGenerator<Uint8Array, void, undefined> {
  const bytes = pathBytes(path);
  yield* await opened(nameOrId, options, async function* contents<
    N,
  >(files: RootFiles<N>, signal: AbortSignal) {
    const { file } = findFile(files, bytes);
    if (file.facts.type !== "file") throw notAFile(bytes, file.facts.type);
    for await (const chunk of files.contents(file)) {
      throwIfCancelled(signal);
      yield chunk;
    }
  });
}

type Use<T> = <N>(files: RootFiles<N>, signal: AbortSignal) => AsyncGenerator<T, void, undefined>;

/** Finds the image and opens it; it is closed when the iteration ends. */
async function opened<T>(
  nameOrId: string,
  options: ReadSandboxImageOptions,
  use: Use<T>,
): Promise<AsyncGenerator<T, void, undefined>> {
  const signal = cancellable(options.signal, "reading the image was cancelled");
  const image = await withStore(options, (store, project) =>
    requireImage(store, nameOrId, project),
  );
  return withRootFiles(storedRootfs(image), signal, (files) => closing(files, use(files, signal)));
}

async function* closing<T, N>(
  files: RootFiles<N>,
  results: AsyncGenerator<T, void, undefined>,
): AsyncGenerator<T, void, undefined> {
  try {
    yield* results;
  } finally {
    await files.close();
  }
}

function pathBytes(path: string | Uint8Array): Uint8Array {
  return typeof path === "string" ? Buffer.from(path) : path;
}

function describeFile<N>({ file, path, target }: ListedFile<N>): SandboxImageFile {
  const { type, permissions, uid, gid, sizeBytes, links, mtime, device } = file.facts;
  return {
    path: path.toString(),
    ...(isUtf8(path) ? {} : { pathHex: path.toString("hex") }),
    type,
    mode: permissions,
    uid,
    gid,
    sizeBytes,
    links,
    mtime: timeText(mtime),
    ...(target === undefined ? {} : { linkTarget: target.toString() }),
    ...(target === undefined || isUtf8(target) ? {} : { linkTargetHex: target.toString("hex") }),
    ...(device === undefined ? {} : { deviceMajor: device.major, deviceMinor: device.minor }),
  };
}

function timeText({
  seconds,
  nanoseconds,
}: {
  readonly seconds: number;
  readonly nanoseconds: number;
}): string {
  const inRange = Math.max(-LAST_SECOND, Math.min(LAST_SECOND, seconds));
  const whole = new Date(inRange * 1000).toISOString().slice(0, -".000Z".length);
  const fraction = nanoseconds === 0 ? "" : `.${String(nanoseconds).padStart(9, "0")}`;
  return `${whole}${fraction}Z`;
}

function notAFile(path: Uint8Array, type: string): ImportError {
  const what = type.replaceAll("-", " ");
  return new ImportError("ERR_OPTION_INVALID", `"${printable(path)}" is a ${what}, not a file`, {
    hint: "Name a regular file; list a directory to see what is in it.",
    details: { path: printable(path) },
  });
}
