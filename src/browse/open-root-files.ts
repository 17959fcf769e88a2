import { openTreeReader, type StoredRootfs } from "../export/open-tree-reader.ts";
import { DirectoryFiles } from "./directory-files.ts";
import { openExt4Files } from "./ext4-files.ts";
import type { RootFiles } from "./root-files.ts";
import { TreeFiles } from "./tree-files.ts";

/** What is done with a root filesystem whatever it is kept in. */
export type UseRootFiles<T> = <N>(files: RootFiles<N>) => T;

/**
 * Opens a root filesystem to look into it. A disk image and a directory are read where they are asked about, an archive
 * from its beginning to its end.
 * @throws ImportError ERR_SNAPSHOT_UNSUPPORTED, ERR_SNAPSHOT_DAMAGED, ERR_STORE_IO, ERR_CANCELLED
 */
export async function withRootFiles<T>(
  rootfs: StoredRootfs,
  signal: AbortSignal,
  use: UseRootFiles<T>,
): Promise<T> {
  if (rootfs.format === "ext4") return use(await openExt4Files(rootfs.path));
  if (rootfs.format === "dir") return use(new DirectoryFiles(rootfs.path));
  return use(new TreeFiles(await openTreeReader(rootfs, signal)));
}
