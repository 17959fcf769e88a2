import type { Writable } from "node:stream";
import { startWorkerPool } from "../pool/worker-pool.ts";
import type { TreeReader } from "../rootfs/tree-reader.ts";
import { omissionLines, Omissions } from "../sink/omissions.ts";
import { removeTarFile } from "../sink/tar/tar-file.ts";
import type { ExportPlace, ExportPlaceOptions } from "../store/export-place.ts";
import { exportDirectory } from "./export-directory.ts";
import { exportTarFile, exportTarStream } from "./export-tar.ts";
import { openTreeReader, type StoredRootfs } from "./open-tree-reader.ts";

/** An export with everything decided. */
export interface ExportRequest {
  readonly rootfs: StoredRootfs;
  readonly target: ExportTarget;
  /** `Store.openExport`, for the image that is exported. */
  readonly openPlace: (options: Omit<ExportPlaceOptions, "name" | "project">) => ExportPlace;
  readonly fsync: boolean;
  /** For the seal of a directory. */
  readonly workers: number;
  readonly signal: AbortSignal;
  readonly onWarning: (warning: { readonly code: string; readonly message: string }) => void;
}

/** Paths are absolute. */
export type ExportTarget =
  | { readonly kind: "tar-file"; readonly path: string; readonly replace: boolean }
  | { readonly kind: "tar-stream"; readonly stream: Writable }
  | {
      readonly kind: "directory";
      readonly path: string;
      readonly replace: boolean;
      readonly sameOwner: boolean;
    };

export interface ExportedRootfs {
  /** The file or the directory; a stream has none. */
  readonly path?: string;
  /** Of the archive; of a directory, the sum of its files' sizes. */
  readonly sizeBytes: number;
  readonly entries: number;
  /** What the snapshot has and the export has not, by path. */
  readonly omissions: readonly string[];
}

/**
 * From a snapshot to one tar archive or a directory: read the tree → write it, contents as they are read → publish. It ends
 * with the whole output, or with an error and nothing; a stream has had its part by then.
 */
export async function exportImage(request: ExportRequest): Promise<ExportedRootfs> {
  const { rootfs, target, signal } = request;
  if (target.kind === "tar-stream") {
    return withReader(rootfs, signal, (reader) => sendArchive(request, reader, target.stream));
  }
  const place = request.openPlace({
    kind: target.kind === "tar-file" ? "file" : "directory",
    outputPath: target.path,
    replace: target.replace,
    fsync: request.fsync,
  });
  try {
    const exported = await withReader(rootfs, signal, (reader) =>
      target.kind === "tar-file"
        ? writeArchive(request, reader, place)
        : writeDirectory(request, reader, { place, sameOwner: target.sameOwner }),
    );
    return { ...exported, path: place.path };
  } catch (error) {
    // What cannot be removed now is told by nobody: the first error is the one to tell.
    await Promise.allSettled([Promise.resolve().then(() => place.discard())]);
    throw error;
  }
}

async function withReader<T>(
  rootfs: StoredRootfs,
  signal: AbortSignal,
  action: (reader: TreeReader) => Promise<T>,
): Promise<T> {
  const reader = await openTreeReader(rootfs, signal);
  try {
    return await action(reader);
  } finally {
    await reader.close();
  }
}

async function sendArchive(
  { signal }: ExportRequest,
  reader: TreeReader,
  stream: Writable,
): Promise<ExportedRootfs> {
  const omissions = new Omissions();
  const onOmission = (path: Uint8Array, what: string): void => omissions.add(path, what);
  const sizeBytes = await exportTarStream({ source: reader, signal, onOmission }, stream);
  return exportedRootfs(reader, sizeBytes, omissionLines([omissions]));
}

async function writeArchive(
  { signal, fsync }: ExportRequest,
  reader: TreeReader,
  place: ExportPlace,
): Promise<ExportedRootfs> {
  const omissions = new Omissions();
  const onOmission = (path: Uint8Array, what: string): void => omissions.add(path, what);
  const path = place.growingPath;
  try {
    const sizeBytes = await exportTarFile({ source: reader, signal, onOmission }, { path, fsync });
    place.publish();
    return exportedRootfs(reader, sizeBytes, omissionLines([omissions]));
  } catch (error) {
    removeTarFile(path);
    throw error;
  }
}

async function writeDirectory(
  request: ExportRequest,
  reader: TreeReader,
  { place, sameOwner }: { readonly place: ExportPlace; readonly sameOwner: boolean },
): Promise<ExportedRootfs> {
  const { signal, fsync, onWarning, workers } = request;
  const pool = startWorkerPool(workers);
  try {
    const sealed = await exportDirectory({
      source: reader,
      path: place.growingPath,
      sameOwner,
      fsync,
      pool,
      signal,
      onWarning,
      finish: () => place.publish(),
    });
    return exportedRootfs(reader, sealed.sizeBytes, sealed.omissions);
  } finally {
    await pool.close();
  }
}

function exportedRootfs(
  { tree, omissions }: TreeReader,
  sizeBytes: number,
  more: readonly string[],
): ExportedRootfs {
  return { sizeBytes, entries: tree.entries, omissions: [...omissions, ...more] };
}
