import { printable } from "../errors.ts";
import { DECODE_STAGES } from "./stage-clock.ts";
import type { RecordTiming, TimingRecord } from "./timing-record.ts";

/*
 * The Trace Event Format, its "JSON Object Format", as chrome://tracing and Perfetto read it:
 *
 *   {"displayTimeUnit":"ms","traceEvents":[
 *   {"ph":"M", …},           names of the process and its threads, and the order in which they are shown
 *   {"ph":"X", "ts", "dur"}  something that took time, microseconds; what lies within another one of its thread is its part
 *   ]}
 *
 * Threads are tracks: the import itself, each worker, each layer.
 */

/**
 * Events of buffers and tasks, of which an image may have any number. An image of 100 GB has some 700,000; a viewer copes
 * with that many hardly. Some 15 MB of file.
 */
const MOST_DETAILS = 100_000;

const PROCESS = 1;
const IMPORT_TRACK = 1;
const FIRST_WORKER_TRACK = 100;
const FIRST_LAYER_TRACK = 10_000;
const LONGEST_NAME = 300;

export interface TraceOptions {
  /** `import alpine:3.20`: a name for all of it. */
  readonly title: string;
  readonly startMs: number;
  /** Takes the next text of the trace. */
  readonly write: (text: string) => void;
  readonly mostDetails?: number;
}

export interface TraceEvents {
  readonly record: RecordTiming;
  /** Writes what is missing to a document that is whole, after a failure too. */
  end(): void;
}

/** Turns records into a trace, event by event. */
export function traceEvents(options: TraceOptions): TraceEvents {
  const trace = new Trace(options);
  return { record: (record) => trace.add(record), end: () => trace.end() };
}

type Arguments = Readonly<Record<string, string | number>>;

interface Slice {
  readonly name: string;
  readonly track: number;
  readonly startMs: number;
  readonly endMs: number;
  readonly args?: Arguments;
}

class Trace {
  readonly #options: Required<TraceOptions>;
  readonly #named = new Set<number>();
  #layers: Extract<TimingRecord, { kind: "image" }>["layers"] = [];
  #details = 0;
  #leftOut = 0;
  #separator = "\n";

  constructor(options: TraceOptions) {
    this.#options = { mostDetails: MOST_DETAILS, ...options };
    options.write('{"displayTimeUnit":"ms","traceEvents":[');
    const name = printable(`rootlift ${options.title}`, LONGEST_NAME);
    this.#write({ ph: "M", pid: PROCESS, name: "process_name", args: { name } });
    this.#nameTrack(IMPORT_TRACK, "import");
  }

  add(record: TimingRecord): void {
    switch (record.kind) {
      case "image":
        this.#layers = record.layers;
        break;
      case "phase":
        this.#slice({ ...record, name: record.phase, track: IMPORT_TRACK });
        break;
      case "layer":
        this.#addLayer(record);
        break;
      case "fetch":
        this.#addFetch(record);
        break;
      case "merge":
        if (this.#hasRoom(1)) this.#slice({ ...record, name: "merge", track: IMPORT_TRACK });
        break;
      case "decode":
        this.#addDecode(record);
        break;
      case "task":
        this.#addTask(record);
        break;
    }
  }

  end(): void {
    if (this.#leftOut > 0) {
      const args = { labels: `${this.#leftOut} events left out` };
      this.#write({ ph: "M", pid: PROCESS, name: "process_labels", args });
    }
    this.#options.write("\n]}\n");
  }

  #addLayer(record: Extract<TimingRecord, { kind: "layer" }>): void {
    const { layer, receivedBytes, decodedBytes, entries, starvedMs } = record;
    const track = this.#layerTrack(layer);
    const args = { receivedBytes, decodedBytes, entries, starvedMs };
    this.#slice({ ...record, name: `layer ${layer + 1}`, track, args });
  }

  #addFetch(record: Extract<TimingRecord, { kind: "fetch" }>): void {
    if (!this.#hasRoom(1)) return;
    const track = this.#layerTrack(record.layer);
    this.#slice({ ...record, name: "fetch", track, args: { sizeBytes: record.sizeBytes } });
  }

  /** The stages of one buffer alternate with each mebibyte of output; here each stands once, with the sum of its times. */
  #addDecode(record: Extract<TimingRecord, { kind: "decode" }>): void {
    const spent = [...record.spentMs.entries()].filter(([, ms]) => ms > 0);
    if (!this.#hasRoom(1 + spent.length)) return;
    const track = this.#workerTrack(record.worker);
    const layer = record.layer + 1;
    this.#slice({ ...record, name: `layer ${layer}`, track, args: { layer } });
    let startMs = record.startMs;
    for (const [stage, ms] of spent) {
      const endMs = Math.min(record.endMs, startMs + ms);
      this.#slice({ name: DECODE_STAGES[stage]!, track, startMs, endMs, args: { layer } });
      startMs = endMs;
    }
  }

  #addTask(record: Extract<TimingRecord, { kind: "task" }>): void {
    if (!this.#hasRoom(2)) return;
    const track = this.#workerTrack(record.worker);
    const { startMs, endMs, syncMs } = record;
    this.#slice({ name: "seal", track, startMs, endMs });
    // Syncs come last in a task that has one.
    if (syncMs > 0)
      this.#slice({ name: "sync", track, startMs: Math.max(startMs, endMs - syncMs), endMs });
  }

  #hasRoom(events: number): boolean {
    if (this.#details + events > this.#options.mostDetails) {
      this.#leftOut += events;
      return false;
    }
    this.#details += events;
    return true;
  }

  #layerTrack(layer: number): number {
    const digest = this.#layers[layer]?.digest ?? "";
    const name = `layer ${layer + 1} of ${this.#layers.length} (${digest.slice(digest.indexOf(":") + 1).slice(0, 12)})`;
    return this.#nameTrack(FIRST_LAYER_TRACK + layer, name);
  }

  #workerTrack(worker: number): number {
    return this.#nameTrack(FIRST_WORKER_TRACK + worker, `worker ${worker + 1}`);
  }

  #nameTrack(track: number, name: string): number {
    if (this.#named.has(track)) return track;
    this.#named.add(track);
    const place = { ph: "M", pid: PROCESS, tid: track } as const;
    this.#write({ ...place, name: "thread_name", args: { name: printable(name, LONGEST_NAME) } });
    this.#write({ ...place, name: "thread_sort_index", args: { sort_index: track } });
    return track;
  }

  #slice({ name, track, startMs, endMs, args = {} }: Slice): void {
    const ts = this.#microseconds(startMs);
    // Both ends rounded alike: what lies within a slice does so afterwards.
    const dur = Math.round((this.#microseconds(endMs) - ts) * 1000) / 1000;
    this.#write({ ph: "X", pid: PROCESS, tid: track, name, ts, dur, args });
  }

  #microseconds(ms: number): number {
    return Math.max(0, Math.round((ms - this.#options.startMs) * 1e6) / 1000);
  }

  #write(event: Readonly<Record<string, unknown>>): void {
    this.#options.write(this.#separator + JSON.stringify(event));
    this.#separator = ",\n";
  }
}
