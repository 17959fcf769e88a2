import { setImmediate } from "node:timers/promises";
import { throwIfCancelled } from "../errors.ts";
import type { WorkerPool } from "../pool/worker-pool.ts";
import { NONE, nextName, ROOT, type RootfsTree } from "../rootfs/rootfs-tree.ts";
import type { TreeSource } from "../rootfs/tree-reader.ts";
import { createPlacer } from "../pool/worker-side.ts";
import { createDirectorySink } from "../sink/directory/directory-sink.ts";
import type { BodyPlacer, SealedRootfs } from "../sink/sink.ts";

export interface DirectoryExport {
  readonly source: TreeSource;
  /** The directory: absolute, not there yet. */
  readonly path: string;
  readonly sameOwner: boolean;
  readonly fsync: boolean;
  readonly pool: WorkerPool;
  readonly signal: AbortSignal;
  readonly onWarning: (warning: { readonly code: string; readonly message: string }) => void;
  /** What follows when all is written; a failure of it removes the directory too. */
  readonly finish: () => void;
}

/** Bytes, and files, that are placed between two pauses: some milliseconds. */
const STEP_BYTES = 1 << 20;
const STEP_FILES = 256;

/**
 * Writes a tree as a directory, by the sink that imports use: what it can hold, and what is left out and listed, is the same.
 * What fails leaves nothing behind.
 * @throws ImportError ERR_NOT_PERMITTED, ERR_DISK_FULL, ERR_OUTPUT_IO, ERR_STORE_IO, ERR_CANCELLED
 */
export async function exportDirectory(request: DirectoryExport): Promise<SealedRootfs> {
  const { source, path, sameOwner, fsync, pool, signal, onWarning } = request;
  const sink = createDirectorySink({ rootfsPath: path, sameOwner, onWarning });
  try {
    await sink.prepare();
    const placer = createPlacer(sink.placerPlan(0));
    let tree: RootfsTree;
    try {
      tree = await placeBodies(source, placer, signal);
      sink.placed(0, placer.finish());
    } finally {
      placer.close();
    }
    const sealed = await sink.seal(tree, {
      signal,
      fsync,
      workers: pool.workers,
      runTasks: (tasks) => pool.runTasks(tasks),
    });
    throwIfCancelled(signal);
    request.finish();
    return sealed;
  } catch (error) {
    // A worker may be in the middle of a write.
    await pool.close();
    await Promise.allSettled([sink.abort()]);
    throw error;
  }
}

/** @returns the tree with the sink's bodies */
async function placeBodies(
  source: TreeSource,
  placer: BodyPlacer,
  signal: AbortSignal,
): Promise<RootfsTree> {
  const { tree } = source;
  const bodies = new Float64Array(new SharedArrayBuffer(tree.inodeCount * 8)).fill(-1);
  let bytes = 0;
  let files = 0;
  for (let name: number = ROOT; name !== NONE; name = nextName(tree, name)) {
    const inode = tree.inodes[name] ?? NONE;
    if ((tree.bodies[inode] ?? -1) < 0 || (bodies[inode] ?? 0) >= 0) continue;
    placer.begin(tree.sizes[inode] ?? 0, attributesOf(tree, inode));
    for (const piece of source.contents(inode)) {
      if (typeof piece === "number") placer.skip(piece);
      else placer.write(piece);
      bytes += typeof piece === "number" ? 0 : piece.length;
      if (bytes < STEP_BYTES) continue;
      bytes = 0;
      await setImmediate();
      throwIfCancelled(signal);
    }
    bodies[inode] = placer.end();
    if (++files % STEP_FILES !== 0) continue;
    await setImmediate();
    throwIfCancelled(signal);
  }
  return { ...tree, bodies };
}

function attributesOf(tree: RootfsTree, inode: number): Parameters<BodyPlacer["begin"]>[1] {
  return {
    mode: tree.modes[inode] ?? 0,
    uid: tree.uids[inode] ?? 0,
    gid: tree.gids[inode] ?? 0,
    mtimeSeconds: tree.mtimeSeconds[inode] ?? 0,
    mtimeNanoseconds: tree.mtimeNanoseconds[inode] ?? 0,
  };
}
