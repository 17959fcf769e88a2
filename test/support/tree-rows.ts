import {
  linkTargetOf,
  nextName,
  NONE,
  pathOf,
  ROOT,
  type RootfsTree,
  S_IFBLK,
  S_IFCHR,
  S_IFDIR,
  S_IFIFO,
  S_IFLNK,
  S_IFREG,
  typeOf,
  xattrListOf,
} from "../../src/rootfs/rootfs-tree.ts";

const LETTERS: ReadonlyMap<number, string> = new Map([
  [S_IFREG, "file"],
  [S_IFDIR, "directory"],
  [S_IFLNK, "symlink"],
  [S_IFCHR, "character"],
  [S_IFBLK, "block"],
  [S_IFIFO, "fifo"],
]);

/** What one name shows: everything that the format of `treeRows` prints. Text is latin1. */
export interface TreeRow {
  readonly path: string;
  readonly type: string;
  readonly mode: number;
  readonly owner: string;
  readonly mtime: string;
  /** File: `size body`; link: its target; device: its numbers. */
  readonly value: string;
  readonly xattrs: string;
  /** The paths of all names of the inode, sorted; only when there is more than one. */
  readonly names: readonly string[];
}

/** One line a name, sorted by path: what two trees must have in common to be the same. */
export function formatRows(rows: readonly TreeRow[]): string[] {
  return rows
    .toSorted((a, b) => (a.path < b.path ? -1 : 1))
    .map(({ path, type, mode, owner, mtime, value, xattrs, names }) =>
      [
        path === "" ? "." : path,
        type,
        mode.toString(8).padStart(4, "0"),
        owner,
        mtime,
        value,
        xattrs,
        names.length > 1 ? `names=${names.toSorted().join(",")}` : "",
      ]
        .filter((part) => part !== "")
        .join(" "),
    );
}

/** A tree as comparable lines. */
export function treeRows(tree: RootfsTree): string[] {
  const names = new Map<number, string[]>();
  for (let name = ROOT; name !== NONE; name = nextName(tree, name)) {
    const inode = tree.inodes[name] ?? NONE;
    names.set(inode, [...(names.get(inode) ?? []), pathOf(tree, name).toString("latin1")]);
  }
  const rows = [...names].flatMap(([inode, paths]) =>
    paths.map((path) => rowOf(tree, inode, { path, names: paths })),
  );
  return formatRows(rows);
}

function rowOf(
  tree: RootfsTree,
  inode: number,
  { path, names }: { readonly path: string; readonly names: readonly string[] },
): TreeRow {
  return {
    path,
    type: LETTERS.get(typeOf(tree, inode)) ?? "unknown",
    mode: (tree.modes[inode] ?? 0) & 0o7777,
    owner: `${tree.uids[inode]}:${tree.gids[inode]}`,
    mtime: `${tree.mtimeSeconds[inode]}.${tree.mtimeNanoseconds[inode]}`,
    value: valueOf(tree, inode),
    xattrs: xattrListOf(tree, inode)
      .map(({ name, value }) => `${latin1(name)}=${latin1(value)}`)
      .join(","),
    names,
  };
}

function valueOf(tree: RootfsTree, inode: number): string {
  switch (typeOf(tree, inode)) {
    case S_IFREG:
      return `${tree.sizes[inode]} #${tree.bodies[inode]}`;
    case S_IFLNK:
      return `-> ${latin1(linkTargetOf(tree, inode))}`;
    case S_IFCHR:
    case S_IFBLK:
      return `${tree.linkOffsetsOrMajors[inode]},${tree.linkLengthsOrMinors[inode]}`;
    default:
      return "";
  }
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("latin1");
}
