import { benchImage } from "../bench-image.ts";
import { summarizeImage } from "../oci/summarize-image.ts";
import type { ResolvedImage } from "../oci/image.ts";
import type { ImportTimings } from "../progress.ts";
import { cancellable } from "./cancellable.ts";
import { withinTime } from "./deadline.ts";
import { carefulEmitter } from "./import-events.ts";
import { pullSettings, wholeNumber } from "./import-settings.ts";
import { openImportTiming } from "./import-timing.ts";
import type { BenchSandboxImageOptions, SandboxImageBenchmark } from "./public-types.ts";
import { printEvent } from "./verbose-events.ts";
import { withSource } from "./with-source.ts";

/**
 * Pulls and unpacks an image without keeping anything, and tells where the time went. Every byte goes the way of an import:
 * the same connections, threads, checks and limits; only what would be written is dropped. No store is needed or touched.
 *
 * Each run is as cold as the first: it connects, logs in and starts its threads anew. Warnings come as events.
 *
 * @param reference as `importSandboxImage` takes it
 * @throws ImportError as an import would, and ERR_OUTPUT_IO for the trace
 */
export async function benchSandboxImage(
  reference: string,
  options: BenchSandboxImageOptions = {},
): Promise<SandboxImageBenchmark> {
  const listener = options.onEvent ?? (options.verbose === true ? printEvent : undefined);
  const { emit, throwListenerError } = carefulEmitter(listener ?? (() => undefined));
  const settings = pullSettings(reference, options, options.env ?? process.env);
  const count = wholeNumber("runs", options.runs ?? 1);
  const { timeoutMs } = settings;
  const cancelled = cancellable(options.signal, "the benchmark was cancelled");
  const { trace } = options;
  const timing = openImportTiming({ timings: true, trace, title: `bench ${reference}`, emit });
  const { recordTiming } = timing;
  const pull = async (run: number, signal: AbortSignal): Promise<ResolvedImage> => {
    const which = count === 1 ? "" : ` (run ${run} of ${count})`;
    emit({ type: "status", message: `Pulling ${reference.trim()}, keeping nothing${which}...` });
    return withSource(reference, { settings, emit }, (source) =>
      benchImage({ ...settings, source, signal, emit, recordTiming }),
    );
  };
  try {
    const benchmark = await withinTime(
      { job: "benchmark", timeoutMs },
      cancelled,
      async (signal) => {
        const runs: ImportTimings[] = [];
        let image: ResolvedImage | undefined;
        for (let run = 1; image === undefined || run <= count; run++) {
          const began = timing.beginRun();
          image = await pull(run, signal);
          runs.push(began.report());
        }
        return { ...summarizeImage(image), runs };
      },
    );
    emit({ type: "done" });
    throwListenerError();
    return benchmark;
  } finally {
    timing.end();
  }
}
