import { importImage } from "../import-image.ts";
import { withLeastShortage } from "../import-shortage.ts";
import { summarizeImage } from "../oci/summarize-image.ts";
import type { ImportEvent, OnEvent } from "../progress.ts";
import { withinTime } from "./deadline.ts";
import { carefulEmitter, createEventQueue } from "./import-events.ts";
import { importSettings, type ImportSettings } from "./import-settings.ts";
import { openImportTiming } from "./import-timing.ts";
import type {
  ImportPlan,
  ImportSandboxImageOptions,
  RegisterSandboxImageOptions,
  SandboxTemplate,
  StoreOptions,
} from "./public-types.ts";
import { imageNotFound, requireImage } from "./require-image.ts";
import { requireText } from "./require-text.ts";
import { sandboxTemplate } from "./sandbox-template.ts";
import { withStore } from "./store-settings.ts";
import { withBlobCache } from "./with-blob-cache.ts";
import { withSource } from "./with-source.ts";
import { printEvent } from "./verbose-events.ts";
import { VERSION } from "./version.ts";

const COMPAT_WARNING =
  "Docker compatibility mode has no effect: layers are always written straight into the root filesystem.";
const DEFAULT_NAME_WARNING =
  "The image is registered under the name 'default'; give it a name of its own with --registered-name.";

/**
 * Pulls an image and registers it as a snapshot under a name.
 *
 * Events go to `options.onEvent`, or to `deps.emit` (the name the Tensorlake SDK has for it); an exception thrown there
 * does not stop the import, it is thrown after it.
 *
 * @param reference `alpine:3.20`, `ghcr.io/org/app@sha256:…`, `oci:DIR[:TAG|@DIGEST]`, `oci-archive:FILE…`, `docker-archive:FILE…`
 * @returns the record
 * @throws ImportError with a stable `code`; then nothing was registered and nothing is left behind
 */
export async function importSandboxImage(
  reference: string,
  options: ImportSandboxImageOptions = {},
  deps: { readonly emit?: OnEvent } = {},
): Promise<SandboxTemplate> {
  const listener = deps.emit ?? options.onEvent ?? (options.verbose === true ? printEvent : ignore);
  const { emit, throwListenerError } = carefulEmitter(listener);
  const settings = importSettings(reference, options, options.env ?? process.env);
  emit({ type: "status", message: `Importing registry image ${reference.trim()}...` });
  emit({ type: "status", message: `Selected image name: ${settings.name}` });
  warnAbout(settings, emit);
  const { timings = false, trace } = options;
  const timing = openImportTiming({ timings, trace, title: `import ${reference}`, emit });
  const { recordTiming } = timing;
  const run = timing.beginRun();
  try {
    const { timeoutMs } = settings;
    const record = await withinTime({ job: "import", timeoutMs }, options.signal, (signal) =>
      withSource(reference, { settings, emit }, (source) =>
        withStore(options, async (store) => {
          const { homePath } = store;
          const cache = { homePath, limitBytes: settings.blobCacheBytes, emit };
          return withBlobCache(source, cache, async (cached) => {
            const parts = {
              source: cached,
              store,
              toolVersion: VERSION,
              signal,
              emit,
              recordTiming,
            };
            return sandboxTemplate(await importImage({ ...settings, ...parts }));
          });
        }),
      ),
    );
    if (timings) emit({ type: "timings", timings: run.report() });
    emit({ type: "status", message: `Image '${record.name}' registered (${record.id})` });
    emit({ type: "image_registered", name: record.name, image_id: record.id });
    emit({ type: "done" });
    throwListenerError();
    return record;
  } catch (error) {
    throw withLeastShortage(error);
  } finally {
    timing.end();
  }
}

/**
 * The same as an async iterable of events; its return value is the record. Leaving the loop early cancels the import.
 */
export async function* importSandboxImageEvents(
  reference: string,
  options: ImportSandboxImageOptions = {},
): AsyncGenerator<ImportEvent, SandboxTemplate, undefined> {
  const queue = createEventQueue();
  const leave = new AbortController();
  const signals = options.signal === undefined ? [leave.signal] : [options.signal, leave.signal];
  const result = importSandboxImage(
    reference,
    { ...options, signal: AbortSignal.any(signals) },
    { emit: (event) => queue.push(event) },
  ).finally(() => queue.end());
  // Its failure is thrown below, after the events that came before it.
  result.catch(() => undefined);
  try {
    yield* queue;
    return await result;
  } finally {
    leave.abort();
    await result.catch(() => undefined);
  }
}

/**
 * Resolves an image and checks its name; pulls no layer and writes nothing (`--dry-run`), but for an empty store where there
 * is none. Warnings come as events.
 * @throws ImportError as `importSandboxImage` would before the pull
 */
export async function planSandboxImageImport(
  reference: string,
  options: ImportSandboxImageOptions = {},
): Promise<ImportPlan> {
  const settings = importSettings(reference, options, options.env ?? process.env);
  const { timeoutMs } = settings;
  const { emit, throwListenerError } = carefulEmitter(options.onEvent ?? ignore);
  warnAbout(settings, emit);
  await withStore(options, (store) => store.catalog.requireFree(settings));
  return withinTime({ job: "resolution", timeoutMs }, options.signal, (signal) =>
    withSource(reference, { settings, emit }, async (source) => {
      const image = await source.resolve(settings.platform, signal);
      for (const warning of image.warnings) emit({ type: "warning", ...warning });
      throwListenerError();
      return { dryRun: true, name: settings.name, ...summarizeImage(image) };
    }),
  );
}

/** All images of the project, by name. */
export function listSandboxImages(options: StoreOptions = {}): Promise<SandboxTemplate[]> {
  return withStore(options, async (store, project) =>
    (await store.catalog.list({ project })).map(sandboxTemplate),
  );
}

/** @returns null when there is none. @throws ImportError ERR_OPTION_INVALID for what is no name at all */
export async function findSandboxImageByName(
  name: string,
  options: StoreOptions = {},
): Promise<SandboxTemplate | null> {
  requireText("imageName", name);
  return withStore(options, async (store, project) => {
    const found = await store.catalog.findByName(name, { project });
    return found === undefined ? null : sandboxTemplate(found);
  });
}

/** By name or id. @throws ImportError ERR_NOT_FOUND */
export async function describeSandboxImage(
  nameOrId: string,
  options: StoreOptions = {},
): Promise<SandboxTemplate> {
  requireText("imageName", nameOrId);
  return withStore(options, async (store, project) => {
    return sandboxTemplate(await requireImage(store, nameOrId, project));
  });
}

/** Names an existing completed snapshot. @throws ImportError ERR_NOT_FOUND, ERR_SNAPSHOT_NOT_COMPLETED, ERR_NAME_TAKEN */
export async function registerSandboxImage(
  name: string,
  snapshotId: string,
  options: RegisterSandboxImageOptions = {},
): Promise<SandboxTemplate> {
  requireText("imageName", name);
  requireText("snapshotId", snapshotId);
  const { dockerfile, isPublic = false, replace = false } = options;
  return withStore(options, async (store, project) =>
    sandboxTemplate(
      await store.registerImage({
        name,
        snapshotId,
        project,
        public: isPublic,
        replace,
        ...(dockerfile === undefined ? {} : { dockerfile }),
      }),
    ),
  );
}

/** By name or id; removes the snapshot too when no other name has it. @returns the deleted name. @throws ImportError ERR_NOT_FOUND */
export async function deleteSandboxImage(
  nameOrId: string,
  options: StoreOptions = {},
): Promise<{ readonly name: string }> {
  requireText("imageName", nameOrId);
  return withStore(options, async (store, project) => {
    const removed = await store.removeImage(nameOrId, project);
    if (removed === undefined) throw imageNotFound(nameOrId);
    return { name: removed.image.name };
  });
}

function ignore(): void {
  // Nobody listens.
}

function warnAbout({ name, dockerCompat }: ImportSettings, emit: OnEvent): void {
  if (dockerCompat) emit({ type: "warning", code: "docker_compat", message: COMPAT_WARNING });
  if (name === "default") {
    emit({ type: "warning", code: "default_name", message: DEFAULT_NAME_WARNING });
  }
}
