import { openErofsImage } from "../erofs-reader/erofs-image.ts";
import { openTreeReader, type StoredRootfs } from "../export/open-tree-reader.ts";
import { openExt4Image } from "../ext4-reader/ext4-image.ts";
import { DirectoryFiles } from "./directory-files.ts";
import { openDiskImageFiles } from "./disk-image-files.ts";
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
  const { format, path } = rootfs;
  if (format === "ext4") return use(await openDiskImageFiles(await openExt4Image(path)));
  if (format === "erofs") return use(await openDiskImageFiles(await openErofsImage(path)));
  if (format === "dir") return use(new DirectoryFiles(path));
  return use(new TreeFiles(await openTreeReader(rootfs, signal)));
}
