import { createHash } from "node:crypto";
import {
  linkTargetOf,
  nextName,
  NONE,
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
} from "../../src/rootfs/rootfs-tree.ts";

const KINDS: ReadonlyMap<number, string> = new Map([
  [S_IFREG, "file"],
  [S_IFDIR, "dir"],
  [S_IFLNK, "symlink"],
  [S_IFCHR, "char"],
  [S_IFBLK, "block"],
  [S_IFIFO, "fifo"],
]);

/**
 * A tree as the rows that `rootRows` (with the root) makes of its mounted image.
 * @param contents by body
 */
export function expectedRows(tree: RootfsTree, contents: readonly Uint8Array[]): readonly string[] {
  const names: (readonly [path: string, inode: number])[] = [];
  for (let name = ROOT; name !== NONE; name = nextName(tree, name)) {
    names.push([
      name === ROOT ? "." : pathOf(tree, name).toString("latin1"),
      tree.inodes[name] ?? NONE,
    ]);
  }
  const firstNames = new Map<number, string>();
  return names
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([path, inode]) => {
      const type = typeOf(tree, inode);
      if (type !== S_IFDIR && !firstNames.has(inode)) firstNames.set(inode, path);
      const target = type === S_IFLNK ? Buffer.from(linkTargetOf(tree, inode)) : Buffer.alloc(0);
      const size = type === S_IFLNK ? target.length : tree.sizes[inode];
      return [
        path,
        KINDS.get(type),
        type === S_IFLNK ? "" : ((tree.modes[inode] ?? 0) & 0o7777).toString(8),
        `${tree.uids[inode]}:${tree.gids[inode]}`,
        BigInt(tree.mtimeSeconds[inode] ?? 0) * 1_000_000_000n +
          BigInt(tree.mtimeNanoseconds[inode] ?? 0),
        type === S_IFDIR ? "" : `${size} ${tree.linkCounts[inode]} ${firstNames.get(inode)}`,
        deviceOf(tree, inode),
        target.toString("latin1"),
        type === S_IFREG ? sha256(contents[tree.bodies[inode] ?? -1] ?? new Uint8Array(0)) : "",
        xattrListOf(tree, inode)
          .map(({ name, value }) => `${Buffer.from(name).toString("latin1")}=${hex(value)}`)
          .toSorted()
          .join(),
      ].join("\t");
    });
}

/** `st_rdev` as glibc puts it together (`gnu_dev_makedev`). */
function deviceOf(tree: RootfsTree, inode: number): bigint {
  const type = typeOf(tree, inode);
  if (type !== S_IFCHR && type !== S_IFBLK) return 0n;
  const major = BigInt(tree.linkOffsetsOrMajors[inode] ?? 0);
  const minor = BigInt(tree.linkLengthsOrMinors[inode] ?? 0);
  return (minor & 0xffn) | (major << 8n) | ((minor >> 8n) << 20n);
}

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}

/** The row of the `lost+found` that an image has of its own. */
export function lostFoundRow(epochSeconds: number): string {
  return `lost+found\tdir\t700\t0:0\t${BigInt(epochSeconds) * 1_000_000_000n}\t\t0\t\t\t`;
}
