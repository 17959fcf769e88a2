import { resolve } from "node:path";
import type { ImportTimings, OnEvent } from "../progress.ts";
import { collectTimings } from "../timing/collect-timings.ts";
import type { RecordTiming } from "../timing/timing-record.ts";
import { openTraceFile } from "../timing/trace-file.ts";

/** Who listens to where the time of an import or a benchmark goes. */
export interface ImportTiming {
  /** Undefined: nobody, and no clock is looked at. */
  readonly recordTiming: RecordTiming | undefined;
  /** Of a run that begins now. */
  beginRun(): { report(): ImportTimings };
  /** However it ends, once. */
  end(): void;
}

export interface ImportTimingOptions {
  /** Whether runs are reported. */
  readonly timings: boolean;
  /** The file of the trace. */
  readonly trace: string | undefined;
  /** Of the trace: `import alpine:3.20`. */
  readonly title: string;
  readonly emit: OnEvent;
}

/** @throws ImportError ERR_OUTPUT_IO when there can be no file for the trace */
export function openImportTiming(options: ImportTimingOptions): ImportTiming {
  const { timings, trace, title, emit } = options;
  const onFailure = ({ message }: Error): void => {
    emit({ type: "warning", code: "trace", message });
  };
  const file =
    trace === undefined ? undefined : openTraceFile({ path: resolve(trace), title, onFailure });
  let collector = collectTimings();
  const recordTiming: RecordTiming = (record) => {
    file?.record(record);
    collector.record(record);
  };
  return {
    recordTiming: timings || file !== undefined ? recordTiming : undefined,
    beginRun: () => {
      collector = collectTimings();
      return { report: () => collector.report() };
    },
    end: () => file?.end(),
  };
}
