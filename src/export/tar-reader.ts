import { setImmediate } from "node:timers/promises";
import { throwIfCancelled } from "../errors.ts";
import { openImageFile, type ImageFile } from "../image-reader/image-file.ts";
import { TypeFlag } from "../layer/tar-header.ts";
import {
  NONE,
  ROOT,
  S_IFBLK,
  S_IFCHR,
  S_IFDIR,
  S_IFIFO,
  S_IFLNK,
  S_IFMT,
  S_IFREG,
} from "../rootfs/rootfs-tree.ts";
import { TreeBuilder, type InodeFacts } from "../rootfs/tree-builder.ts";
import { PIECE_BYTES, type ContentPiece, type TreeReader } from "../rootfs/tree-reader.ts";
import { archivedEntries, damagedArchive, type ArchivedEntry } from "./archived-entries.ts";

/** Entries read between two pauses: some milliseconds. */
const STEP = 1024;
const SLASH = 0x2f;
const DOT = 0x2e;
const LONGEST_NAME = 255;

const TYPES: ReadonlyMap<number, number> = new Map([
  [TypeFlag.file, S_IFREG],
  [TypeFlag.directory, S_IFDIR],
  [TypeFlag.symlink, S_IFLNK],
  [TypeFlag.character, S_IFCHR],
  [TypeFlag.block, S_IFBLK],
  [TypeFlag.fifo, S_IFIFO],
]);

/**
 * Reads a root filesystem that is kept as an archive of `sink/tar`. The body of a file is where its bytes begin.
 * @throws ImportError ERR_SNAPSHOT_DAMAGED, ERR_STORE_IO, ERR_CANCELLED
 */
export async function openTarReader(tarPath: string, signal: AbortSignal): Promise<TreeReader> {
  const file = await openImageFile(tarPath);
  try {
    const builder = new TreeBuilder();
    let entries = 0;
    for (const entry of archivedEntries(file)) {
      addEntry(builder, entry, file);
      if (++entries % STEP !== 0) continue;
      throwIfCancelled(signal);
      await setImmediate();
    }
    return readerOf(file, builder);
  } catch (error) {
    await file.close();
    throw error;
  }
}

function readerOf(file: ImageFile, builder: TreeBuilder): TreeReader {
  const tree = builder.finish();
  const buffer = Buffer.allocUnsafe(PIECE_BYTES);
  let isOpen = true;
  function* contents(inode: number): Generator<ContentPiece, void, undefined> {
    const [start = 0, size = 0] = [tree.bodies[inode], tree.sizes[inode]];
    for (let done = 0; done < size; done += PIECE_BYTES) {
      const piece = buffer.subarray(0, Math.min(PIECE_BYTES, size - done));
      file.readSync(piece, start + done);
      yield piece;
    }
  }
  return {
    tree,
    omissions: [],
    contents,
    close: async () => {
      if (isOpen) await file.close();
      isOpen = false;
    },
  };
}

function addEntry(builder: TreeBuilder, entry: ArchivedEntry, file: ImageFile): void {
  const damaged = (what: string): Error => damagedArchive(file, entry.bodyAt, what);
  const components = componentsOf(entry.name);
  if (components === undefined) throw damaged("an entry has a name that is no path");
  const component = components.pop();
  if (component === undefined) {
    if (entry.typeflag !== TypeFlag.directory) throw damaged("its root is no directory");
    builder.setRoot(factsOf(entry, S_IFDIR));
    return;
  }
  const parent = lookUp(builder, components);
  if (parent === NONE || !isDirectory(builder, parent)) {
    throw damaged("an entry comes before its directory");
  }
  if (builder.findName(parent, component) !== NONE) throw damaged("a name is there twice");
  builder.addName(parent, component, inodeFor(builder, entry, damaged));
}

function inodeFor(
  builder: TreeBuilder,
  entry: ArchivedEntry,
  damaged: (what: string) => Error,
): number {
  const type = TYPES.get(entry.typeflag);
  if (type !== undefined) return builder.addInode(factsOf(entry, type));
  if (entry.typeflag !== TypeFlag.hardlink) throw damaged("an entry has an unknown type");
  const target = componentsOf(entry.linkName);
  const first = target === undefined ? NONE : lookUp(builder, target);
  if (first === NONE || isDirectory(builder, first)) throw damaged("a hard link leads nowhere");
  return builder.inodeOf(first);
}

function factsOf(entry: ArchivedEntry, type: number): InodeFacts {
  const { mode, uid, gid, size, mtimeSeconds, mtimeNanoseconds, xattrs } = entry;
  const facts = { mode: type | (mode & 0o7777), uid, gid, mtimeSeconds, mtimeNanoseconds, xattrs };
  switch (type) {
    case S_IFREG:
      return size === 0 ? facts : { ...facts, size, body: entry.bodyAt };
    case S_IFLNK:
      return { ...facts, target: entry.linkName };
    case S_IFCHR:
    case S_IFBLK:
      return { ...facts, device: entry.device };
    default:
      return facts;
  }
}

/** @returns the name, or NONE */
function lookUp(builder: TreeBuilder, components: readonly Buffer[]): number {
  let name: number = ROOT;
  for (const component of components) {
    name = builder.findName(name, component);
    if (name === NONE) return NONE;
  }
  return name;
}

function isDirectory(builder: TreeBuilder, name: number): boolean {
  return (builder.modeOf(builder.inodeOf(name)) & S_IFMT) === S_IFDIR;
}

/** @returns none for the root; undefined for what is no clean path below it */
function componentsOf(path: Buffer): Buffer[] | undefined {
  const isRoot = path.length === 2 && path[0] === DOT && path[1] === SLASH;
  if (isRoot) return [];
  const end = path.at(-1) === SLASH ? path.length - 1 : path.length;
  const components: Buffer[] = [];
  for (let from = 0; from <= end;) {
    const slash = path.indexOf(SLASH, from);
    const to = slash === -1 || slash > end ? end : slash;
    const component = path.subarray(from, to);
    if (!isComponent(component)) return undefined;
    components.push(component);
    from = to + 1;
  }
  return components;
}

function isComponent(bytes: Buffer): boolean {
  const isDots =
    bytes[0] === DOT && (bytes.length === 1 || (bytes.length === 2 && bytes[1] === DOT));
  return bytes.length > 0 && bytes.length <= LONGEST_NAME && !isDots && !bytes.includes(0);
}
