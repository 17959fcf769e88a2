import fc from "fast-check";
import { expect, test } from "vitest";
import { traceEvents } from "../../src/timing/trace-events.ts";
import type { TimingRecord } from "../../src/timing/timing-record.ts";

interface TraceEvent {
  readonly ph: string;
  readonly pid: number;
  readonly tid?: number;
  readonly name: string;
  readonly ts?: number;
  readonly dur?: number;
  readonly args: Readonly<Record<string, unknown>>;
}

function traced(
  records: readonly TimingRecord[],
  options: { readonly mostDetails?: number; readonly title?: string } = {},
): readonly TraceEvent[] {
  let text = "";
  const trace = traceEvents({
    title: "import app:1",
    startMs: 1000,
    write: (more) => {
      text += more;
    },
    ...options,
  });
  for (const record of records) trace.record(record);
  trace.end();
  const document: { readonly traceEvents: readonly TraceEvent[] } = JSON.parse(text);
  return document.traceEvents;
}

const IMAGE: TimingRecord = {
  kind: "image",
  reference: "app:1",
  layers: [{ digest: `sha256:${"0123456789abcdef".repeat(4)}`, sizeBytes: 5 }],
};
const DECODE: TimingRecord = {
  kind: "decode",
  layer: 0,
  worker: 1,
  startMs: 1001,
  endMs: 1004,
  spentMs: [1, 0.5, 0, 0.25, 0.75],
};
const LAYER: TimingRecord = {
  kind: "layer",
  layer: 0,
  startMs: 1000.5,
  endMs: 1005,
  starvedMs: 1,
  receivedBytes: 5,
  decodedBytes: 9,
  entries: 2,
  bodyBytes: 4,
};

const slices = (events: readonly TraceEvent[]): readonly TraceEvent[] =>
  events.filter(({ ph }) => ph === "X");

test("process and tracks have names, and places in the order of import, workers, layers", () => {
  const events = traced([IMAGE, DECODE, LAYER]);
  const names = events.filter(({ name }) => name === "thread_name");
  expect(events.find(({ name }) => name === "process_name")?.args).toEqual({
    name: "rootlift import app:1",
  });
  expect(names.map(({ args }) => args["name"])).toEqual([
    "import",
    "worker 2",
    "layer 1 of 1 (0123456789ab)",
  ]);
  const orders = events.filter(({ name }) => name === "thread_sort_index");
  const indexes = orders.map(({ args }) => Number(args["sort_index"]));
  expect(indexes).toEqual(indexes.toSorted((a, b) => a - b));
});

test("times are microseconds from the beginning of the trace", () => {
  const [slice] = slices(traced([{ kind: "phase", phase: "pull", startMs: 1000.25, endMs: 1003 }]));
  expect(slice).toMatchObject({ name: "pull", ts: 250, dur: 2750, pid: 1 });
});

test("the stages of a buffer lie in it one behind the other, those that took no time left out", () => {
  const [whole, ...stages] = slices(traced([DECODE]));
  expect(whole).toMatchObject({ name: "layer 1", ts: 1000, dur: 3000 });
  expect(stages.map(({ name, ts, dur }) => [name, ts, dur])).toEqual([
    ["digest", 1000, 1000],
    ["inflate", 2000, 500],
    ["walk", 2500, 250],
    ["place", 2750, 750],
  ]);
});

test("a sync is the end of its task", () => {
  const task = { kind: "task", worker: 0, startMs: 1000, endMs: 1010, syncMs: 4 } as const;
  expect(slices(traced([task])).map(({ name, ts, dur }) => [name, ts, dur])).toEqual([
    ["seal", 0, 10_000],
    ["sync", 6000, 4000],
  ]);
});

test("details are bounded, phases and layers are told all the same, and what is missing is counted", () => {
  const buffers = Array.from({ length: 50 }, () => DECODE);
  const events = traced([...buffers, LAYER], { mostDetails: 12 });
  const names = slices(events).map(({ name }) => name);
  expect(names.filter((name) => name === "digest")).toHaveLength(2);
  expect(events.find(({ name }) => name === "process_labels")?.args).toEqual({
    labels: "240 events left out",
  });
  expect(slices(events).at(-1)?.args).toMatchObject({ receivedBytes: 5, starvedMs: 1 });
});

test("a trace that ends before anything happened is a whole document", () => {
  expect(slices(traced([]))).toEqual([]);
});

test("whatever the title is, the document is JSON without control characters in it", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (title) => {
      const name = String(traced([], { title })[0]?.args["name"]);
      expect(name).not.toMatch(/[\p{Cc}]/u);
    }),
  );
});

test("slices of a track lie within each other or apart, whatever the clock says", () => {
  const ms = fc.double({ min: 0, max: 5, noNaN: true });
  fc.assert(
    fc.property(fc.array(ms, { minLength: 5, maxLength: 5 }), ms, (spentMs, more) => {
      const endMs = 1001 + spentMs.reduce((sum, one) => sum + one, 0) + more;
      const [whole, ...stages] = slices(traced([{ ...DECODE, endMs, spentMs }]));
      let at = whole?.ts ?? Number.NaN;
      for (const { ts = 0, dur = 0 } of stages) {
        expect(ts).toBeGreaterThanOrEqual(at - 1e-6);
        at = ts + dur;
      }
      expect(at).toBeLessThanOrEqual((whole?.ts ?? 0) + (whole?.dur ?? 0) + 1e-6);
    }),
  );
});
