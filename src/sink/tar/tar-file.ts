import { close, fsync, openSync, unlinkSync } from "node:fs";
import { promisify } from "node:util";
import type { ContentPiece } from "../../rootfs/tree-reader.ts";
import { errnoOf, ioError } from "../io-error.ts";
import { SparseFile } from "../sparse-file.ts";

/** A new archive that grows piece by piece; other than that of a seal, on a thread that does other things too. */
export interface TarFile {
  readonly sizeBytes: number;
  /** @throws ImportError ERR_DISK_FULL, ERR_OUTPUT_IO */
  write(piece: ContentPiece): void;
  finish(options: { readonly fsync: boolean }): Promise<void>;
  close(): Promise<void>;
}

/** Removes an archive that is not wanted any more; one that was never made is fine. */
export function removeTarFile(path: string): void {
  try {
    // Not rmSync: of some failures (ENOSPC) that does not say what they are.
    unlinkSync(path);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return;
    throw ioError(error, "remove the archive", path);
  }
}

/** @param path must not exist; readable by its owner only, as an archive of all files has secrets of all users */
export function createTarFile(path: string): TarFile {
  const io = <T>(action: () => T): T => {
    try {
      return action();
    } catch (error) {
      throw ioError(error, "write the archive", path);
    }
  };
  const fd = io(() => openSync(path, "wx", 0o600));
  const file = new SparseFile(fd);
  return {
    get sizeBytes() {
      return file.sizeBytes;
    },
    write: (piece) => io(() => file.write(piece)),
    finish: async (options) => {
      io(() => file.finish());
      if (!options.fsync) return;
      await promisify(fsync)(fd).catch((error: unknown) => {
        throw ioError(error, "write the archive", path);
      });
    },
    close: () => promisify(close)(fd),
  };
}
