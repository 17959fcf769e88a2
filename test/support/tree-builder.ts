import { encodeXattrs } from "../../src/layer/xattr-list.ts";
import {
  NONE,
  ROOT,
  S_IFBLK,
  S_IFCHR,
  S_IFDIR,
  S_IFIFO,
  S_IFLNK,
  S_IFREG,
  type RootfsTree,
} from "../../src/rootfs/rootfs-tree.ts";
import type { BodyAttributes } from "../../src/sink/sink.ts";

/** One name of a tree in a test. Paths, targets and xattr names are latin1: one character a byte. */
export interface TreeEntry {
  readonly path: string;
  readonly type: "file" | "directory" | "symlink" | "character" | "block" | "fifo" | "hardlink";
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
  /** Seconds and nanoseconds. */
  readonly mtime?: readonly [number, number];
  readonly content?: Uint8Array;
  /** Of a symlink; of a hard link, the path of the name it shares. */
  readonly target?: string;
  readonly device?: readonly [number, number];
  readonly xattrs?: Readonly<Record<string, Uint8Array>>;
  /** The attributes that the body was placed with, where a later entry changed them. */
  readonly placedAs?: Partial<BodyAttributes>;
}

const TYPES: Readonly<Record<Exclude<TreeEntry["type"], "hardlink">, number>> = {
  file: S_IFREG,
  directory: S_IFDIR,
  symlink: S_IFLNK,
  character: S_IFCHR,
  block: S_IFBLK,
  fifo: S_IFIFO,
};

export function attributesOf(entry: TreeEntry): BodyAttributes {
  const [mtimeSeconds, mtimeNanoseconds] = entry.mtime ?? [0, 0];
  const mode = entry.mode ?? (entry.type === "directory" ? 0o755 : 0o644);
  return { mode, uid: entry.uid ?? 0, gid: entry.gid ?? 0, mtimeSeconds, mtimeNanoseconds };
}

interface Inode {
  readonly entry: TreeEntry;
  readonly index: number;
  readonly attributes: BodyAttributes;
  names: number;
}

interface Name {
  readonly path: string;
  readonly index: number;
  /** Of the parent. */
  readonly parent: number;
  readonly inode: Inode;
}

/**
 * A merged tree out of a list, by the shape that `RootfsTree` states and nothing of the merge's code. Parents that the list
 * does not name are directories of 0:0 0755.
 * @param place places a body and answers with its reference
 */
export function buildTree(
  entries: readonly TreeEntry[],
  place: (content: Uint8Array, attributes: BodyAttributes) => number,
): RootfsTree {
  const root: TreeEntry = { path: "", type: "directory" };
  const listed = new Map([["", root], ...entries.map((entry) => [entry.path, entry] as const)]);
  const names: Name[] = [];
  const inodes: Inode[] = [];
  const known = new Map<string, Name>();

  function addName(path: string): Name {
    const there = known.get(path);
    if (there !== undefined) return there;
    const parentPath = path.slice(0, Math.max(path.lastIndexOf("/"), 0));
    const parent = path === "" ? ROOT : addName(parentPath).index;
    const entry = listed.get(path) ?? { path, type: "directory" };
    const inode = entry.type === "hardlink" ? addName(entry.target ?? "").inode : addInode(entry);
    inode.names += 1;
    const name = { path, index: names.length, parent, inode };
    names.push(name);
    known.set(path, name);
    return name;
  }
  function addInode(entry: TreeEntry): Inode {
    const inode = { entry, index: inodes.length, attributes: attributesOf(entry), names: 0 };
    inodes.push(inode);
    return inode;
  }
  for (const path of listed.keys()) addName(path);

  const arena = new Arena();
  return {
    nameCount: names.length,
    ...familyColumns(names),
    inodes: uint32(names.map(({ inode }) => inode.index)),
    ...nameColumns(names.map(({ path }) => path.slice(path.lastIndexOf("/") + 1))),
    ...inodeColumns(inodes, place),
    ...blobColumns(inodes, arena),
    blobBytes: arena.bytes(),
    entries: names.length,
    contentBytes: inodes.reduce((sum, { entry }) => sum + (entry.content?.length ?? 0), 0),
  };
}

function familyColumns(names: readonly Name[]) {
  const firstChildren = uint32(names.map(() => NONE));
  const nextSiblings = uint32(names.map(() => NONE));
  const lastChild = new Map<number, number>();
  for (const { index, parent } of names.slice(1)) {
    const previous = lastChild.get(parent);
    if (previous === undefined) firstChildren[parent] = index;
    else nextSiblings[previous] = index;
    lastChild.set(parent, index);
  }
  return { parents: uint32(names.map(({ parent }) => parent)), firstChildren, nextSiblings };
}

function nameColumns(components: readonly string[]) {
  const arena = new Arena();
  const nameOffsets = uint32(components.map((text) => arena.add(Buffer.from(text, "latin1"))));
  const nameLengths = new Uint8Array(new SharedArrayBuffer(components.length));
  nameLengths.set(components.map(({ length }) => length));
  return { nameOffsets, nameLengths, nameBytes: arena.bytes() };
}

function inodeColumns(
  inodes: readonly Inode[],
  place: (content: Uint8Array, attributes: BodyAttributes) => number,
) {
  const modes = new Uint16Array(new SharedArrayBuffer(inodes.length * 2));
  modes.set(inodes.map(({ entry, attributes }) => typeBits(entry) | attributes.mode));
  const layers = new Uint16Array(new SharedArrayBuffer(inodes.length * 2));
  const adjusted = new Uint8Array(new SharedArrayBuffer(inodes.length));
  adjusted.set(inodes.map(({ entry }) => (entry.placedAs === undefined ? 0 : 1)));
  return {
    inodeCount: inodes.length,
    modes,
    uids: uint32(inodes.map(({ attributes }) => attributes.uid)),
    gids: uint32(inodes.map(({ attributes }) => attributes.gid)),
    mtimeSeconds: float64(inodes.map(({ attributes }) => attributes.mtimeSeconds)),
    mtimeNanoseconds: uint32(inodes.map(({ attributes }) => attributes.mtimeNanoseconds)),
    linkCounts: uint32(inodes.map((inode) => inode.names)),
    sizes: float64(inodes.map(({ entry }) => entry.content?.length ?? 0)),
    bodies: float64(
      inodes.map(({ entry, attributes }) =>
        entry.content === undefined || entry.content.length === 0
          ? -1
          : place(entry.content, Object.assign({}, attributes, entry.placedAs)),
      ),
    ),
    layers,
    adjusted,
  };
}

function blobColumns(inodes: readonly Inode[], arena: Arena) {
  const links = inodes.map(({ entry }) => {
    if (entry.device !== undefined) return entry.device;
    const target = Buffer.from(entry.target ?? "", "latin1");
    return [arena.add(target), target.length] as const;
  });
  const xattrs = inodes.map(({ entry }) => {
    const list = Object.entries(entry.xattrs ?? {}).map(([name, value]) => ({
      name: Buffer.from(name, "latin1"),
      value,
    }));
    const encoded = encodeXattrs(list);
    return [arena.add(encoded), encoded.length] as const;
  });
  return {
    linkOffsetsOrMajors: uint32(links.map(([first]) => first)),
    linkLengthsOrMinors: uint32(links.map(([, second]) => second)),
    xattrOffsets: uint32(xattrs.map(([offset]) => offset)),
    xattrLengths: uint32(xattrs.map(([, length]) => length)),
  };
}

function typeBits({ type }: TreeEntry): number {
  if (type === "hardlink") throw new Error("a hard link has no inode of its own");
  return TYPES[type];
}

class Arena {
  readonly #parts: Uint8Array[] = [];
  #length = 0;

  add(bytes: Uint8Array): number {
    this.#parts.push(bytes);
    this.#length += bytes.length;
    return this.#length - bytes.length;
  }

  bytes(): Uint8Array {
    const shared = new Uint8Array(new SharedArrayBuffer(this.#length));
    shared.set(Buffer.concat(this.#parts));
    return shared;
  }
}

function uint32(values: readonly number[]): Uint32Array {
  const array = new Uint32Array(new SharedArrayBuffer(values.length * 4));
  array.set(values);
  return array;
}

function float64(values: readonly number[]): Float64Array {
  const array = new Float64Array(new SharedArrayBuffer(values.length * 8));
  array.set(values);
  return array;
}
