import { ImportError, printable } from "../../errors.ts";
import {
  linkTargetOf,
  pathOf,
  ROOT,
  S_IFBLK,
  S_IFCHR,
  S_IFDIR,
  S_IFIFO,
  S_IFLNK,
  S_IFREG,
  typeOf,
  xattrListOf,
  type RootfsTree,
} from "../../rootfs/rootfs-tree.ts";
import { PIECE_BYTES, type ContentPiece, type TreeSource } from "../../rootfs/tree-reader.ts";
import { encodeTarHeader, isSayable, paddingAfter, TarType, type TarEntry } from "./tar-header.ts";
import { namesInTarOrder } from "./tar-order.ts";

/** Holes from this length on stay holes in a file; shorter ones save less than the extents that they cost. */
const LEAST_HOLE = 1 << 16;
/** From here on a piece of a file goes out as it is, without being copied together with others. */
const LARGE_PIECE = PIECE_BYTES / 2;
const ZEROS = Buffer.alloc(LEAST_HOLE);
/** POSIX: two blocks of zeros end an archive. */
const END_BYTES = 1024;
const ROOT_NAME = Buffer.from("./");
const SLASH = Buffer.from("/");
const EMPTY = new Uint8Array(0);

/** What an archive cannot say of a name, ready to be shown after its path. */
export type OnTarOmission = (path: Uint8Array, what: string) => void;

/**
 * A tree as one tar archive, in pieces of at most `PIECE_BYTES`; a piece is borrowed until the next, and a number is a run
 * of zeros. The bytes depend on nothing but what the tree shows: not on where it came from, how it is kept, or in which
 * order it was made. The first name of an inode, in the order of the archive, has the contents; the others are links to it.
 * @throws ImportError what `source.contents` throws, ERR_STORE_IO when it does not have as many bytes as the tree says
 */
export function* tarPieces(
  source: TreeSource,
  onOmission: OnTarOmission,
): Generator<ContentPiece, void, undefined> {
  const { tree } = source;
  const packer = new Packer();
  const firstNames = new Map<number, number>();
  for (const name of namesInTarOrder(tree)) {
    const inode = tree.inodes[name]!;
    const firstName = firstNames.get(inode);
    const entry = entryOf(tree, name, { firstName, onOmission });
    yield* packer.add(encodeTarHeader(entry));
    if (entry.type === TarType.file && entry.size > 0) {
      yield* fileBody(packer, source, name);
    }
    const isShared = tree.linkCounts[inode]! > 1 && entry.type !== TarType.directory;
    if (isShared && firstName === undefined) firstNames.set(inode, name);
  }
  yield* packer.addZeros(END_BYTES);
  yield* packer.flush();
}

/** Joins small pieces to large ones. */
class Packer {
  readonly #buffer = Buffer.allocUnsafe(PIECE_BYTES);
  #length = 0;

  *add(bytes: Uint8Array): Generator<ContentPiece, void, undefined> {
    if (bytes.length >= LARGE_PIECE) {
      yield* this.flush();
      yield bytes;
      return;
    }
    if (this.#length + bytes.length > PIECE_BYTES) yield* this.flush();
    this.#buffer.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  *addZeros(count: number): Generator<ContentPiece, void, undefined> {
    if (count < LEAST_HOLE) {
      yield* this.add(ZEROS.subarray(0, count));
      return;
    }
    yield* this.flush();
    yield count;
  }

  *flush(): Generator<ContentPiece, void, undefined> {
    const length = this.#length;
    this.#length = 0;
    if (length > 0) yield this.#buffer.subarray(0, length);
  }
}

function* fileBody(
  packer: Packer,
  source: TreeSource,
  name: number,
): Generator<ContentPiece, void, undefined> {
  const { tree } = source;
  const inode = tree.inodes[name]!;
  const size = tree.sizes[inode]!;
  let length = 0;
  for (const piece of source.contents(inode)) {
    length += typeof piece === "number" ? piece : piece.length;
    if (length > size) break;
    yield* typeof piece === "number" ? packer.addZeros(piece) : packer.add(piece);
  }
  if (length !== size) throw sizeChanged(tree, name, length);
  yield* packer.addZeros(paddingAfter(size));
}

function sizeChanged(tree: RootfsTree, name: number, length: number): ImportError {
  const path = printable(pathOf(tree, name));
  const size = tree.sizes[tree.inodes[name]!]!;
  const relation = length > size ? "more than" : `${length} of`;
  return new ImportError(
    "ERR_STORE_IO",
    `"${path}" has ${relation} ${size} bytes; it changed while it was read`,
    {
      hint: "Stop what uses the root filesystem, then try again.",
      details: { path },
    },
  );
}

const TYPES: ReadonlyMap<number, TarType> = new Map([
  [S_IFREG, TarType.file],
  [S_IFDIR, TarType.directory],
  [S_IFLNK, TarType.symlink],
  [S_IFCHR, TarType.character],
  [S_IFBLK, TarType.block],
  [S_IFIFO, TarType.fifo],
]);

/** @param context.firstName the name that has the inode already */
function entryOf(
  tree: RootfsTree,
  name: number,
  context: { readonly firstName: number | undefined; readonly onOmission: OnTarOmission },
): TarEntry {
  const { firstName, onOmission } = context;
  const inode = tree.inodes[name]!;
  const type = firstName === undefined ? TYPES.get(typeOf(tree, inode)) : TarType.hardLink;
  if (type === undefined) throw new Error(`no tar entry has the type of mode ${tree.modes[inode]}`);
  const path = pathOf(tree, name);
  const isDevice = type === TarType.character || type === TarType.block;
  return {
    name: archiveName(path, name, type),
    type,
    // Linux has no mode of a symlink; what is kept of one says nothing.
    mode: typeOf(tree, inode) === S_IFLNK ? 0o777 : tree.modes[inode]! & 0o7777,
    uid: tree.uids[inode]!,
    gid: tree.gids[inode]!,
    size: type === TarType.file ? tree.sizes[inode]! : 0,
    mtimeSeconds: tree.mtimeSeconds[inode]!,
    mtimeNanoseconds: tree.mtimeNanoseconds[inode]!,
    linkName: linkNameOf(tree, inode, { type, firstName }),
    deviceMajor: isDevice ? tree.linkOffsetsOrMajors[inode]! : 0,
    deviceMinor: isDevice ? tree.linkLengthsOrMinors[inode]! : 0,
    xattrs: firstName === undefined ? sayableXattrs(tree, inode, { path, onOmission }) : [],
  };
}

function archiveName(path: Buffer, name: number, type: TarType): Uint8Array {
  if (name === ROOT) return ROOT_NAME;
  return type === TarType.directory ? Buffer.concat([path, SLASH]) : path;
}

function linkNameOf(
  tree: RootfsTree,
  inode: number,
  { type, firstName }: { readonly type: TarType; readonly firstName: number | undefined },
): Uint8Array {
  if (firstName !== undefined) return pathOf(tree, firstName);
  return type === TarType.symlink ? linkTargetOf(tree, inode) : EMPTY;
}

function sayableXattrs(
  tree: RootfsTree,
  inode: number,
  { path, onOmission }: { readonly path: Uint8Array; readonly onOmission: OnTarOmission },
): TarEntry["xattrs"] {
  return xattrListOf(tree, inode).filter((xattr) => {
    const sayable = isSayable(xattr);
    if (!sayable) onOmission(path, `${printable(xattr.name)} left out (no tar header can name it)`);
    return sayable;
  });
}
