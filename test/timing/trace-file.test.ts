import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { ImportError } from "../../src/errors.ts";
import { monotonicMs } from "../../src/timing/monotonic-clock.ts";
import { openTraceFile } from "../../src/timing/trace-file.ts";
import type { TimingRecord } from "../../src/timing/timing-record.ts";
import { scratchDirectory } from "../support/scratch.ts";

function fetched(): TimingRecord {
  const startMs = monotonicMs();
  return { kind: "fetch", layer: 0, startMs, endMs: startMs + 1, sizeBytes: 7 };
}

test("a file that is there is overwritten, and holds every event when the trace has ended", () => {
  const path = join(scratchDirectory(), "trace.json");
  writeFileSync(path, "x".repeat(1_000_000));
  const trace = openTraceFile({ path, title: "test", onFailure: () => undefined });
  for (let count = 0; count < 2000; count++) trace.record(fetched());
  trace.end();
  trace.end();
  const { traceEvents }: { traceEvents: { name: string }[] } = JSON.parse(
    readFileSync(path, "utf8"),
  );
  expect(traceEvents.filter(({ name }) => name === "fetch")).toHaveLength(2000);
});

test("a file that cannot be is refused at once", () => {
  const path = join(scratchDirectory(), "none", "trace.json");
  expect(() => openTraceFile({ path, title: "test", onFailure: () => undefined })).toThrow(
    expect.objectContaining({ code: "ERR_OUTPUT_IO", hint: "Name another file with --trace." }),
  );
});

test("a disk that becomes full is told once, and the trace ends there", () => {
  const failures: ImportError[] = [];
  const trace = openTraceFile({
    path: "/dev/full",
    title: "test",
    onFailure: (error) => failures.push(error),
  });
  for (let count = 0; count < 5000; count++) trace.record(fetched());
  trace.end();
  expect(failures.map(({ code }) => code)).toEqual(["ERR_OUTPUT_IO"]);
  expect(failures[0]?.message).toContain("/dev/full");
});
