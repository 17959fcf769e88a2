import { createHash } from "node:crypto";
import { createReadStream, existsSync, readdirSync } from "node:fs";
import { pipeline } from "node:stream/promises";
import { inspect } from "node:util";
import { importSettings } from "../../../src/api/import-settings.ts";
import { sandboxTemplate } from "../../../src/api/sandbox-template.ts";
import { withStore } from "../../../src/api/store-settings.ts";
import { withBlobCache } from "../../../src/api/with-blob-cache.ts";
import { importImage } from "../../../src/import-image.ts";
import { ImportError, type ImportEvent, type SandboxTemplate } from "../../../src/index.ts";
import { parseReference } from "../../../src/oci/parse-reference.ts";
import type { RequestTiming } from "../../../src/registry/request-timing.ts";
import { openRegistrySource, type SourceTuning } from "../../../src/source/registry-source.ts";
import { readDirectory } from "../read-directory.ts";
import type { ChaosOrigin } from "./chaos-origin.ts";
import { CACHE_SIZE, DISK_MB, referenceOf, type ChaosPlan } from "./chaos-plan.ts";
import { importByCommand } from "./command-import.ts";

/** Seconds where people have minutes, and not less, since clocks run out by themselves on a machine that is busy. */
export const TIMING: RequestTiming = {
  connectMs: 2500,
  firstByteMs: 2500,
  firstBlobByteMs: 2500,
  stallMs: 2000,
  minBytesPerSecond: 1024,
  minRateWindowMs: 2500,
  attempts: 4,
  baseDelayMs: 40,
  maxDelayMs: 400,
  maxRetryAfterMs: 3000,
  waitBudgetMs: 10_000,
};

/** 3 MiB are a large layer here. */
const TUNING: SourceTuning = {
  timing: TIMING,
  ranges: {
    minLayerBytes: 1 << 20,
    chunkBytes: 1 << 18,
    minChunkBytes: 1 << 16,
    measureMs: 60,
    measureBytes: 1 << 16,
    settleMs: 60,
    judgeMs: 120,
    tickMs: 10,
  },
};

/** Token, index, manifest, config and a layer are asked for one after the other at most. */
const STEPS = 5;
/** A machine with other things to do. */
const LOAD = 1.5;

/**
 * No import may take longer: each of its steps has so many tries, each of which may meet every clock once, and they wait together no
 * longer than their budget. Then it is cancelled, and that is a finding.
 */
export const MOST_MS: number =
  LOAD *
  (TIMING.waitBudgetMs +
    STEPS *
      TIMING.attempts *
      (2 * TIMING.connectMs + TIMING.firstBlobByteMs + TIMING.minRateWindowMs));

export interface ImportPlace {
  readonly home: string;
  readonly name: string;
  /** A folder of its own, for `--output`. */
  readonly outputFolder: string;
}

export type Outcome =
  | { readonly kind: "done"; readonly digest: string; readonly record: SandboxTemplate }
  | { readonly kind: "failed"; readonly error: ImportError }
  | { readonly kind: "broken"; readonly what: string };

export interface Ran {
  readonly outcome: Outcome;
  readonly tookMs: number;
  readonly events: readonly ImportEvent[];
}

/** One import as `importSandboxImage` does it, but for the clocks. */
export async function runImport(
  plan: ChaosPlan,
  origin: ChaosOrigin,
  place: ImportPlace,
): Promise<Ran> {
  const events: ImportEvent[] = [];
  const startMs = performance.now();
  const over = new AbortController();
  const timer = setTimeout(() => over.abort(), MOST_MS);
  try {
    const emit = (event: ImportEvent): void => {
      if (event.type !== "layer_progress") events.push(event);
    };
    const pull = plan.byCommand ? importByCommand : importByLibrary;
    const record = await pull(plan, origin, { place, emit, signal: over.signal });
    const tookMs = performance.now() - startMs;
    return {
      outcome: { kind: "done", record, digest: await digestOfRootfs(record) },
      tookMs,
      events,
    };
  } catch (error) {
    const tookMs = performance.now() - startMs;
    if (over.signal.aborted) {
      const what = `it had not ended after ${MOST_MS / 1000} s, and was cancelled`;
      return { outcome: { kind: "broken", what }, tookMs, events };
    }
    if (error instanceof ImportError) return { outcome: { kind: "failed", error }, tookMs, events };
    const what = `it threw what is no ImportError: ${inspect(error)}`;
    return { outcome: { kind: "broken", what }, tookMs, events };
  } finally {
    clearTimeout(timer);
  }
}

export interface ImportRun {
  readonly place: ImportPlace;
  readonly emit: (event: ImportEvent) => void;
  readonly signal: AbortSignal;
}

async function importByLibrary(
  plan: ChaosPlan,
  { host, mirrorUrl, env }: ChaosOrigin,
  run: ImportRun,
): Promise<SandboxTemplate> {
  const { image } = plan;
  const { home, name, outputFolder } = run.place;
  const reference = referenceOf(plan, host);
  const settings = importSettings(
    reference,
    {
      registeredName: name,
      format: plan.format,
      platform: image.platform,
      ...(plan.hasOutput ? { output: `${outputFolder}/rootfs` } : {}),
      ...(mirrorUrl === undefined ? {} : { mirrors: { [host]: [mirrorUrl] } }),
      diskMb: DISK_MB,
      cpus: 1,
      fsync: false,
      ranges: plan.ranges,
      sameOwner: process.getuid?.() === 0,
      blobCache: plan.blobCache ? CACHE_SIZE : "off",
    },
    env,
  );
  const { emit, signal } = run;
  const source = await openRegistrySource(
    parseReference(reference),
    {
      ...settings.source,
      onRetry: (retry) => emit({ type: "retry", ...retry }),
      onWarning: (warning) => emit({ type: "warning", ...warning }),
    },
    TUNING,
  );
  try {
    return await withStore({ home, env }, (store) =>
      withBlobCache(
        source,
        { homePath: home, limitBytes: settings.blobCacheBytes, emit },
        async (cached) => {
          const parts = { source: cached, store, toolVersion: "chaos", signal, emit };
          return sandboxTemplate(await importImage({ ...settings, ...parts }));
        },
      ),
    );
  } finally {
    await source.close();
  }
}

/** Of a file its bytes; of a directory all that its names show. */
export async function digestOfRootfs({ path }: SandboxTemplate): Promise<string> {
  if (path === undefined) return "no path";
  const hash = createHash("sha256");
  if (existsSync(`${path}/.`)) {
    const names = readDirectory(path);
    return hash.update(JSON.stringify(names, withoutBigInts)).digest("hex");
  }
  await pipeline(createReadStream(path, { highWaterMark: 1 << 20 }), hash);
  return hash.digest("hex");
}

export function namesIn(folder: string): readonly string[] {
  return existsSync(folder) ? readdirSync(folder) : [];
}

function withoutBigInts(_key: string, value: unknown): unknown {
  return typeof value === "bigint" ? value.toString() : value;
}
