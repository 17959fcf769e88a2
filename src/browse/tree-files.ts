import type { FileType } from "../image-reader/file-type.ts";
import {
  nameBytesOf,
  NONE,
  ROOT,
  S_IFBLK,
  S_IFCHR,
  S_IFDIR,
  S_IFIFO,
  S_IFLNK,
  S_IFMT,
  S_IFREG,
  type RootfsTree,
} from "../rootfs/rootfs-tree.ts";
import type { TreeReader } from "../rootfs/tree-reader.ts";
import type { FileFacts, FileName, RootFile, RootFiles } from "./root-files.ts";

const TYPES: ReadonlyMap<number, FileType> = new Map([
  [S_IFREG, "file"],
  [S_IFDIR, "directory"],
  [S_IFLNK, "symlink"],
  [S_IFCHR, "character-device"],
  [S_IFBLK, "block-device"],
  [S_IFIFO, "fifo"],
]);
const ZEROS_BYTES = 1 << 18;

/** Looks into a root filesystem that has to be read as a whole: an archive. A node is a name of the tree. */
export class TreeFiles implements RootFiles<number> {
  readonly root: RootFile<number>;
  readonly #reader: TreeReader;

  constructor(reader: TreeReader) {
    this.#reader = reader;
    this.root = { node: ROOT, facts: factsOf(reader.tree, ROOT) };
  }

  child({ node }: RootFile<number>, wanted: Buffer): RootFile<number> | undefined {
    for (const { name, id } of this.#children(node)) {
      if (wanted.equals(name)) return { node: id, facts: factsOf(this.#reader.tree, id) };
    }
    return undefined;
  }

  *names({ node }: RootFile<number>): Generator<FileName, void, undefined> {
    for (const { name, id } of this.#children(node)) yield { name: Buffer.from(name), id };
  }

  named(_directory: RootFile<number>, { id }: FileName): RootFile<number> {
    return { node: id, facts: factsOf(this.#reader.tree, id) };
  }

  target({ node }: RootFile<number>): Buffer {
    const { tree } = this.#reader;
    const inode = tree.inodes[node] ?? 0;
    const start = tree.linkOffsetsOrMajors[inode] ?? 0;
    return Buffer.from(
      tree.blobBytes.subarray(start, start + (tree.linkLengthsOrMinors[inode] ?? 0)),
    );
  }

  async *contents({ node }: RootFile<number>): AsyncGenerator<Uint8Array, void, undefined> {
    const inode = this.#reader.tree.inodes[node] ?? 0;
    for (const piece of this.#reader.contents(inode)) {
      if (typeof piece !== "number") yield new Uint8Array(piece);
      else {
        for (let left = piece; left > 0; left -= ZEROS_BYTES) {
          yield new Uint8Array(Math.min(left, ZEROS_BYTES));
        }
      }
    }
  }

  close(): Promise<void> {
    return this.#reader.close();
  }

  *#children(node: number): Generator<{ readonly name: Uint8Array; readonly id: number }> {
    const { tree } = this.#reader;
    for (
      let id = tree.firstChildren[node] ?? NONE;
      id !== NONE;
      id = tree.nextSiblings[id] ?? NONE
    ) {
      yield { name: nameBytesOf(tree, id), id };
    }
  }
}

function factsOf(tree: RootfsTree, name: number): FileFacts {
  const of = (column: { readonly [index: number]: number | undefined }): number =>
    column[tree.inodes[name] ?? 0] ?? 0;
  const mode = of(tree.modes);
  const type = TYPES.get(mode & S_IFMT) ?? "file";
  const isDevice = type === "character-device" || type === "block-device";
  return {
    type,
    permissions: mode & 0o7777,
    uid: of(tree.uids),
    gid: of(tree.gids),
    sizeBytes: type === "symlink" ? of(tree.linkLengthsOrMinors) : of(tree.sizes),
    links: type === "directory" ? 2 + directoriesIn(tree, name) : of(tree.linkCounts),
    mtime: { seconds: of(tree.mtimeSeconds), nanoseconds: of(tree.mtimeNanoseconds) },
    ...(isDevice
      ? { device: { major: of(tree.linkOffsetsOrMajors), minor: of(tree.linkLengthsOrMinors) } }
      : {}),
  };
}

/** An archive counts no links; file systems count the `..` of each sub-directory. */
function directoriesIn(tree: RootfsTree, name: number): number {
  let count = 0;
  for (let id = tree.firstChildren[name] ?? NONE; id !== NONE; id = tree.nextSiblings[id] ?? NONE) {
    if (((tree.modes[tree.inodes[id] ?? 0] ?? 0) & S_IFMT) === S_IFDIR) count++;
  }
  return count;
}
