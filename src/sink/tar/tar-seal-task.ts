import { closeSync, fstatSync, fsyncSync, openSync } from "node:fs";
import { cancellation } from "../../errors.ts";
import type { RootfsTree } from "../../rootfs/rootfs-tree.ts";
import { ChecksumRanges } from "../checksum-ranges.ts";
import { ioError } from "../io-error.ts";
import { Omissions, type OmissionList } from "../omissions.ts";
import type { ImageChecksums } from "../sink.ts";
import { SparseFile } from "../sparse-file.ts";
import { removeTree } from "../remove-tree.ts";
import { timedSync } from "../sync-time.ts";
import { countProgress } from "../work-progress.ts";
import { SpoolReader } from "./spool-reader.ts";
import { TAR_BLOCK_BYTES } from "./tar-header.ts";
import { tarPieces } from "./tar-pieces.ts";

const STAT_BLOCK = 512;

/** Plain data; the arrays of the tree lie in shared memory. */
export interface TarSealTask {
  readonly tree: RootfsTree;
  readonly bodiesPath: string;
  /** The archive: must not exist. */
  readonly rootfsPath: string;
  readonly fsync: boolean;
  /** One element; not 0 once the import is cancelled. */
  readonly cancelled: Int32Array;
}

export interface TarSealResult extends OmissionList {
  readonly kind: "tar-seal";
  readonly sizeBytes: number;
  readonly usedBytes: number;
  readonly checksums: ImageChecksums;
}

/**
 * Writes the archive in one pass over the tree, in a worker, synchronously, and removes the spools.
 * @throws ImportError ERR_DISK_FULL, ERR_OUTPUT_IO, ERR_CANCELLED …
 */
export function runTarSealTask(task: TarSealTask): TarSealResult {
  const { tree, bodiesPath, rootfsPath, fsync, cancelled } = task;
  const reader = new SpoolReader(tree, bodiesPath);
  const omissions = new Omissions();
  let fd: number | undefined;
  try {
    fd = openSync(rootfsPath, "wx", 0o600);
    const ranges = new ChecksumRanges(TAR_BLOCK_BYTES);
    const file = new SparseFile(fd, (bytes, position) => ranges.add(bytes, position));
    for (const piece of tarPieces(reader, (path, what) => omissions.add(path, what))) {
      if (Atomics.load(cancelled, 0) !== 0) {
        throw cancellation();
      }
      countProgress();
      file.write(piece);
    }
    file.finish();
    if (fsync) timedSync(fsyncSync, fd);
    removeTree(bodiesPath);
    const { lines, count, ownerLines, ownerCount } = omissions;
    const usedBytes = fstatSync(fd).blocks * STAT_BLOCK;
    return {
      kind: "tar-seal",
      sizeBytes: file.sizeBytes,
      usedBytes,
      checksums: ranges.finish(),
      lines,
      count,
      ownerLines,
      ownerCount,
    };
  } catch (error) {
    throw ioError(error, "write the archive", rootfsPath);
  } finally {
    reader.close();
    if (fd !== undefined) closeSync(fd);
  }
}
