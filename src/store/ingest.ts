import { mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { ImportError } from "../errors.ts";
import type { RegisterRequest } from "./catalog.ts";
import { syncDirectory, writeNewFile } from "./durable-files.ts";
import { snapshotIdOf } from "./ids.ts";
import { checkImageName, checkProject } from "./image-name.ts";
import { lockNewIngest } from "./ingest-lock.ts";
import type { IngestLock } from "./ingest-lock.ts";
import { writeIngestRecord } from "./ingest-record.ts";
import type { IngestRecord } from "./ingest-record.ts";
import {
  identityOf,
  makeStaging,
  planOutput,
  planOutputFile,
  publish,
  renameDirectory,
  syncOutput,
} from "./output-place.ts";
import type { Identity, OutputPlace } from "./output-place.ts";
import { formatSnapshotRecord } from "./record-codec.ts";
import type { RegisteredImage, SnapshotRecord } from "./records.ts";
import { discardIngest, removeLeftovers, removeOrphans } from "./recovery.ts";
import type { StoreContext } from "./recovery.ts";
import { attempt } from "./store-error.ts";
import type { BeginIngest, CommitFiles, Ingest, SnapshotFacts } from "./store.ts";

/** The contract is that of `Store.beginIngest`; the crash argument stands in recovery.ts. */
export async function beginIngest(context: StoreContext, request: BeginIngest): Promise<Ingest> {
  checkImageName(request.name);
  checkProject(request.project);
  await removeLeftovers(context);
  const { layout, catalog } = context;
  const lock = lockNewIngest(layout.ingestPath);
  let output: OutputPlace | undefined;
  try {
    if (request.outputPath !== undefined) {
      output = placeOf(request, request.outputPath, { id: lock.id, homePath: layout.homePath });
    }
    await catalog.reserve({ ...request, ingestId: lock.id });
  } catch (error) {
    lock.release();
    throw error;
  }
  const ingest = new StoreIngest({ context, request, lock, output });
  try {
    ingest.prepare();
  } catch (error) {
    await ingest.abort().catch(() => undefined);
    throw error;
  }
  return ingest;
}

function placeOf(
  { isDirectory = true }: BeginIngest,
  outputPath: string,
  { id, homePath }: { readonly id: string; readonly homePath: string },
): OutputPlace {
  if (isDirectory) return planOutput(outputPath, id, homePath);
  const hint = "Name another place, or clear this one first.";
  return planOutputFile(outputPath, id, { homePath, replace: false, hint });
}

interface StoreIngestParts {
  readonly context: StoreContext;
  readonly request: BeginIngest;
  readonly lock: IngestLock;
  readonly output: OutputPlace | undefined;
}

class StoreIngest implements Ingest {
  readonly id: string;
  readonly snapshotId: string;
  readonly stagingPath: string;
  readonly rootfsPath: string;
  readonly #parts: StoreIngestParts;
  readonly #directory: string;
  readonly #record: IngestRecord;
  readonly #fsync: boolean;
  #published: Identity | undefined;
  /** Set once `commit` or `abort` was called: there is one end only. */
  #end: Promise<unknown> | undefined;

  constructor(parts: StoreIngestParts) {
    const { context, request, lock, output } = parts;
    this.#parts = parts;
    this.#fsync = request.fsync ?? true;
    this.#directory = join(context.layout.ingestPath, lock.id);
    this.id = lock.id;
    this.snapshotId = snapshotIdOf(lock.id);
    this.stagingPath = output?.stagingPath ?? join(this.#directory, "staging");
    this.rootfsPath = join(this.stagingPath, request.rootfsName);
    this.#record = {
      name: request.name,
      project: request.project,
      pid: process.pid,
      startedAt: new Date().toISOString(),
      ...(output === undefined ? {} : { output }),
    };
  }

  prepare(): void {
    const { output } = this.#parts;
    attempt("make", this.#directory, () => {
      mkdirSync(this.#directory, { mode: 0o700 });
      writeIngestRecord(this.#directory, this.#record, this.#fsync);
      if (this.#fsync) syncDirectory(dirname(this.#directory));
    });
    if (output === undefined) {
      attempt("make", this.stagingPath, () => mkdirSync(this.stagingPath, { mode: 0o700 }));
    } else {
      makeStaging(output);
    }
  }

  async commit(
    facts: SnapshotFacts,
    files: CommitFiles,
    request: Omit<RegisterRequest, "snapshotId">,
  ): Promise<RegisteredImage> {
    if (this.#end !== undefined) {
      throw new ImportError("ERR_STORE_IO", `import ${this.id} has ended already`);
    }
    const registered = this.#commit(facts, files, { ...request, snapshotId: this.snapshotId });
    this.#end = registered;
    return registered;
  }

  async abort(): Promise<void> {
    if (this.#end === undefined) {
      this.#end = this.#discard(false);
      await this.#end;
    }
    // A failed commit has cleaned up, and told its caller.
    await this.#end.catch(() => undefined);
  }

  async #commit(
    facts: SnapshotFacts,
    files: CommitFiles,
    request: RegisterRequest,
  ): Promise<RegisteredImage> {
    const snapshot = this.#snapshotRecord(facts);
    try {
      this.#place(snapshot, files, request);
    } catch (error) {
      await this.#discard(false).catch(() => undefined);
      throw error;
    }
    const registered = await this.#register(snapshot, request);
    await this.#discard(true).catch(() => undefined);
    // Done is done: files of a replaced snapshot that could not be removed are left to a later run.
    if (request.replace) await removeOrphans(this.#parts.context).catch(() => undefined);
    return registered;
  }

  /** Everything durable and in its final place; invisible still, since no row of the catalog names it. */
  #place(snapshot: SnapshotRecord, files: CommitFiles, request: RegisterRequest): void {
    const { context, output } = this.#parts;
    const { snapshotsPath } = context.layout;
    const assembled = join(this.#directory, "snapshot");
    const finalPath = join(snapshotsPath, this.snapshotId);
    const { name, project, public: isPublic } = request;
    attempt("write the snapshot", assembled, () => {
      mkdirSync(assembled, { mode: 0o700 });
      const write = (file: string, bytes: Uint8Array | string): void =>
        writeNewFile(join(assembled, file), bytes, this.#fsync);
      write("config.json", files.configBytes);
      write("manifest.json", files.manifestBytes);
      if (files.checksumsBytes !== undefined) write("checksums", files.checksumsBytes);
      write("snapshot.json", formatSnapshotRecord(snapshot));
      // Not read here: from these two a lost catalog can be made again.
      write("image.json", `${JSON.stringify({ name, project, public: isPublic })}\n`);
      if (output === undefined) {
        renameDirectory(this.rootfsPath, join(assembled, this.#parts.request.rootfsName));
      }
      if (this.#fsync) syncDirectory(assembled);
    });
    attempt("move the snapshot to", finalPath, () => {
      renameDirectory(assembled, finalPath);
      if (this.#fsync) syncDirectory(snapshotsPath);
    });
    if (output !== undefined) this.#publish(output);
  }

  #publish(output: OutputPlace): void {
    const identity = identityOf(this.rootfsPath);
    if (identity !== undefined) {
      const record = { ...this.#record, published: identity };
      attempt("write", this.#directory, () =>
        writeIngestRecord(this.#directory, record, this.#fsync),
      );
      this.#published = identity;
    }
    publish(output, this.rootfsPath);
    if (this.#fsync) syncOutput(output);
  }

  async #register(snapshot: SnapshotRecord, request: RegisterRequest): Promise<RegisteredImage> {
    const { context, lock } = this.#parts;
    try {
      return await context.catalog.commit(snapshot, request, this.id);
    } catch (error) {
      // A COMMIT that reports an I/O error may have reached the disk: then undoing it would leave a name without files.
      let found: RegisteredImage | undefined;
      try {
        found = await context.catalog.find(this.snapshotId, request);
      } catch {
        // Nobody can tell now. The next run that can read the catalog cleans up, forward or back.
        lock.abandon();
        throw error;
      }
      if (found !== undefined) return found;
      await this.#discard(false).catch(() => undefined);
      throw error;
    }
  }

  async #discard(committed: boolean): Promise<void> {
    const { context, lock, output } = this.#parts;
    const outside = {
      fsync: this.#fsync,
      ...(output === undefined ? {} : { output }),
      ...(this.#published === undefined ? {} : { published: this.#published }),
    };
    await discardIngest(context, lock, outside, committed);
  }

  #snapshotRecord(facts: SnapshotFacts): SnapshotRecord {
    const { context, output, request } = this.#parts;
    const { snapshotsPath } = context.layout;
    const rootfsPath = output?.path ?? join(snapshotsPath, this.snapshotId, request.rootfsName);
    return {
      ...facts,
      id: this.snapshotId,
      status: "completed",
      sandboxId: `import_${this.id}`,
      snapshotUri: pathToFileURL(rootfsPath).href,
    };
  }
}
