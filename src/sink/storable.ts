import { ImportError, printable } from "../errors.ts";
import { linkTargetOf, pathOf, type RootfsTree } from "../rootfs/rootfs-tree.ts";

/** PATH_MAX without its NUL: what a symlink can hold anywhere on Linux. */
const LONGEST_TARGET = 4095;

/** The image has something that the file system cannot hold. @param what it has, e.g. `4096 hard links` */
export function beyondFormat(
  tree: RootfsTree,
  name: number,
  what: { readonly has: string; readonly format: string; readonly limit: number },
): ImportError {
  const path = printable(pathOf(tree, name));
  const { has, format, limit } = what;
  return new ImportError("ERR_LIMIT_EXCEEDED", `"${path}" has ${has}; ${format} holds ${limit}`, {
    hint: "Import the image with --format dir or tar.",
    details: { path, limit },
  });
}

/**
 * What earlier stages let pass only where a limit was raised.
 * @param name of a symlink
 * @throws ImportError ERR_LIMIT_EXCEEDED, ERR_LAYER_CORRUPT
 */
export function requireStorableTarget(tree: RootfsTree, name: number, format: string): void {
  const target = linkTargetOf(tree, tree.inodes[name]!);
  if (target.length > LONGEST_TARGET) {
    const has = `a target of ${target.length} bytes`;
    throw beyondFormat(tree, name, { has, format, limit: LONGEST_TARGET });
  }
  if (target.length > 0 && !target.includes(0)) return;
  throw new ImportError(
    "ERR_LAYER_CORRUPT",
    `"${printable(pathOf(tree, name))}" is a symlink without a target, or with a NUL in it`,
    { hint: "The image is broken or hostile; ask its publisher to rebuild it." },
  );
}
