import { throwIfCancelled } from "./errors.ts";
import { ImportSoFar, withShortage } from "./import-shortage.ts";
import type { ResolvedImage } from "./oci/image.ts";
import { formatPlatform } from "./oci/parse-platform.ts";
import { summarizeImage } from "./oci/summarize-image.ts";
import { startWorkerPool, type WorkerPool } from "./pool/worker-pool.ts";
import { pullImage, resolveForPull, withinMemory, type PullRequest } from "./pull-image.ts";
import type { RootfsTree } from "./rootfs/rootfs-tree.ts";
import type { ImageToPlace, LayerOrder, SealedRootfs, Sink } from "./sink/sink.ts";
import { formatImageChecksums } from "./store/image-checksums.ts";
import type { RegisteredImage, RootfsFormat } from "./store/records.ts";
import { snapshotConfig } from "./store/snapshot-config.ts";
import type { Ingest, Store } from "./store/store.ts";
import { timedPhase } from "./timing/timing-record.ts";

/** A kind of root filesystem, and how it is written. */
export interface OutputFormat {
  readonly format: RootfsFormat;
  /** e.g. `rootlift_directory_v1`. */
  readonly formatVersion: string;
  /** Its name in the snapshot's directory. */
  readonly rootfsName: string;
  /** Else a file. */
  readonly isDirectory: boolean;
  readonly createSink: (
    rootfsPath: string,
    onWarning: (warning: { readonly code: string; readonly message: string }) => void,
  ) => Sink;
}

/** An import with everything decided: no defaults, no environment. */
export interface ImportRequest extends PullRequest {
  readonly store: Store;
  readonly name: string;
  readonly project: string;
  readonly public: boolean;
  readonly replace: boolean;
  /** Absolute; undefined: into the store. */
  readonly outputPath: string | undefined;
  readonly format: OutputFormat;
  readonly fsync: boolean;
  readonly diskMb: number;
  readonly toolVersion: string;
}

/**
 * From a source to a registered root filesystem: reserve → resolve → pull, decode, place and merge → seal → commit.
 * It ends with everything there, or with an error and the store as it was.
 */
export async function importImage(request: ImportRequest): Promise<RegisteredImage> {
  return withinMemory(request, runImport);
}

async function runImport(given: ImportRequest): Promise<RegisteredImage> {
  const soFar = new ImportSoFar();
  const request = { ...given, emit: soFar.follow(given.emit) };
  const { format } = request;
  const pool = startWorkerPool(request.workers);
  try {
    const ingest = await request.store.beginIngest({
      ...ingestRequest(request),
      rootfsName: format.rootfsName,
      isDirectory: format.isDirectory,
      fsync: request.fsync,
    });
    const sink = format.createSink(ingest.rootfsPath, (warning) =>
      request.emit({ type: "warning", ...warning }),
    );
    try {
      await sink.prepare();
      const image = await resolveForPull(request);
      const sealed = await place(request, { image, pool, sink, soFar });
      return await timedPhase(request.recordTiming, "commit", () =>
        commit(request, { image, sealed, ingest }),
      );
    } catch (error) {
      // A worker may be in the middle of a write: the staging place goes when all are quiet. What cannot be removed now
      // is removed by the next run; the first error is the one to tell.
      await pool.close();
      const told = await withShortage(error, () => soFar.needs(format.format), {
        format: format.format,
        stagingPath: ingest.stagingPath,
      });
      await Promise.allSettled([sink.abort()]);
      await Promise.allSettled([ingest.abort()]);
      throw told;
    }
  } finally {
    await pool.close();
  }
}

interface PlacingParts {
  readonly image: ResolvedImage;
  readonly pool: WorkerPool;
  readonly sink: Sink;
  readonly soFar: ImportSoFar;
}

/** Pulls and seals; a sink that guessed wrong how large the layers are gets a second attempt. */
async function place(request: ImportRequest, parts: PlacingParts): Promise<SealedRootfs> {
  const { image, pool, sink, soFar } = parts;
  let order: LayerOrder | undefined = sink.begin(imageToPlace(image));
  for (;;) {
    soFar.tree = undefined;
    try {
      const tree = await pullImage(request, { ...parts, order });
      soFar.tree = tree;
      return await timedPhase(request.recordTiming, "seal", () =>
        seal(request, { tree, pool, sink }),
      );
    } catch (error) {
      order = sink.startOver(error);
      if (order === undefined) throw error;
    }
    const message = "the layers unpack to more than expected; starting over, one by one";
    request.emit({ type: "warning", code: "placed_again", message });
  }
}

function imageToPlace({ manifestDigest, platform, config, layers }: ResolvedImage): ImageToPlace {
  const createdMs = Date.parse(config.created ?? "");
  return {
    manifestDigest: manifestDigest.text,
    platform: formatPlatform(platform),
    layerBytes: layers.map(({ descriptor }) => descriptor.sizeBytes),
    ...(Number.isNaN(createdMs) ? {} : { createdSeconds: Math.floor(createdMs / 1000) }),
  };
}

async function seal(
  { signal, fsync, emit, recordTiming }: ImportRequest,
  parts: { readonly tree: RootfsTree; readonly pool: WorkerPool; readonly sink: Sink },
): Promise<SealedRootfs> {
  emit({ type: "phase", phase: "seal" });
  emit({ type: "status", message: "Writing the root filesystem..." });
  const { tree, pool, sink } = parts;
  const sealed = await sink.seal(tree, {
    signal,
    fsync,
    workers: pool.workers,
    runTasks: (tasks) => pool.runTasks(tasks, { recordTiming }),
  });
  if (sealed.omissions.length > 0) {
    const message = `${sealed.omissions.length} things could not be written exactly, e.g. ${sealed.omissions[0]}; describe lists them`;
    emit({ type: "warning", code: "omissions", message });
  }
  return sealed;
}

async function commit(
  request: ImportRequest,
  parts: { readonly image: ResolvedImage; readonly sealed: SealedRootfs; readonly ingest: Ingest },
): Promise<RegisteredImage> {
  const { image, sealed, ingest } = parts;
  request.emit({ type: "phase", phase: "commit" });
  request.emit({ type: "status", message: "Completing image registration..." });
  throwIfCancelled(request.signal);
  const { reference, manifestDigest, platform, layers } = summarizeImage(image);
  const snapshot = {
    snapshotFormatVersion: request.format.formatVersion,
    format: request.format.format,
    sizeBytes: sealed.usedBytes,
    rootfsDiskBytes: request.diskMb * 2 ** 20,
    entries: sealed.entries,
    reference,
    manifestDigest,
    platform,
    layers,
    createdAt: new Date().toISOString(),
    toolVersion: request.toolVersion,
    config: snapshotConfig(image.config),
    ...(sealed.omissions.length > 0 ? { omissions: sealed.omissions } : {}),
  };
  const dockerfile = `FROM ${request.source.reference}\n`;
  const { configBytes, manifestBytes } = image;
  const { checksums } = sealed;
  const files = {
    configBytes,
    manifestBytes,
    ...(checksums === undefined ? {} : { checksumsBytes: formatImageChecksums(checksums) }),
  };
  return ingest.commit(snapshot, files, { ...ingestRequest(request), dockerfile });
}

function ingestRequest(request: ImportRequest) {
  const { name, project, replace, outputPath } = request;
  return {
    name,
    project,
    public: request.public,
    replace,
    ...(outputPath === undefined ? {} : { outputPath }),
  };
}
