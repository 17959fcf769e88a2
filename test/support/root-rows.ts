import { walkRoot, type SeenObject } from "./case-kit/root-walk.ts";

/**
 * A root directory as sorted, comparable rows: type, mode, owner, time, links, device, target, contents, xattrs.
 *
 * What the rows leave out, since tools differ there and the image-spec (layer.md) says nothing:
 * - the root itself (unless asked for): umoci leaves the time of the extraction, we the epoch, so that equal images make
 *   equal trees;
 * - the mode of a symlink: Linux has none.
 */
export function rootRows(
  rootPath: string,
  options: { readonly withRoot?: boolean } = {},
): readonly string[] {
  return rowsOf(walkRoot(rootPath), options);
}

/** The same of what somebody saw. */
export function rowsOf(
  seen: ReadonlyMap<string, SeenObject>,
  options: { readonly withRoot?: boolean } = {},
): readonly string[] {
  const firstNames = new Map<bigint, string>();
  return [...seen]
    .filter(([path]) => path !== "." || options.withRoot === true)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([path, { kind, stat, target, sha256, xattrs }]) => {
      if (kind !== "dir" && !firstNames.has(stat.ino)) firstNames.set(stat.ino, path);
      return [
        path,
        kind,
        kind === "symlink" ? "" : (stat.mode & 0o7777n).toString(8),
        `${stat.uid}:${stat.gid}`,
        stat.mtimeNs,
        kind === "dir" ? "" : `${stat.size} ${stat.nlink} ${firstNames.get(stat.ino)}`,
        stat.rdev,
        target.toString("latin1"),
        sha256,
        [...xattrs]
          .map(([name, value]) => `${name}=${value.toString("hex")}`)
          .toSorted()
          .join(),
      ].join("\t");
    });
}

/** Rows that only one of the two has. */
export function rowDifferences(
  ours: readonly string[],
  theirs: readonly string[],
): readonly string[] {
  const [left, right] = [new Set(ours), new Set(theirs)];
  return [
    ...ours.filter((row) => !right.has(row)).map((row) => `ours:   ${row}`),
    ...theirs.filter((row) => !left.has(row)).map((row) => `theirs: ${row}`),
  ];
}
