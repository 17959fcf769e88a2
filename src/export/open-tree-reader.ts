import { ImportError, printable } from "../errors.ts";
import type { TreeReader } from "../rootfs/tree-reader.ts";
import { openDirectoryReader } from "../sink/directory/directory-reader.ts";
import { openErofsTreeReader, openExt4TreeReader } from "./image-tree-reader.ts";
import { openTarReader } from "./tar-reader.ts";

/** A root filesystem on this machine, in the form that its snapshot says. */
export interface StoredRootfs {
  readonly format: string;
  readonly path: string;
}

type OpenReader = (path: string, signal: AbortSignal) => Promise<TreeReader>;

const READERS: ReadonlyMap<string, OpenReader> = new Map([
  ["dir", openDirectoryReader],
  ["erofs", openErofsTreeReader],
  ["ext4", openExt4TreeReader],
  ["tar", openTarReader],
]);

/** @throws ImportError ERR_SNAPSHOT_UNSUPPORTED, ERR_SNAPSHOT_DAMAGED, ERR_STORE_IO, ERR_NOT_PERMITTED, ERR_CANCELLED */
export async function openTreeReader(
  rootfs: StoredRootfs,
  signal: AbortSignal,
): Promise<TreeReader> {
  const open = READERS.get(rootfs.format);
  if (open !== undefined) return open(rootfs.path, signal);
  const format = printable(rootfs.format);
  throw new ImportError(
    "ERR_SNAPSHOT_UNSUPPORTED",
    `a snapshot of format "${format}" cannot be read`,
    {
      hint: `Formats that can be: ${[...READERS.keys()].join(", ")}.`,
      details: { format },
    },
  );
}
