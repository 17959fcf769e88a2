import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import {
  benchSandboxImage,
  importSandboxImage,
  type ImportEvent,
  type ImportTimings,
} from "../../src/index.ts";
import { importErrorFrom } from "../support/import-error.ts";
import { directoryEntry, fileEntry, makeLayer } from "../support/make-layer.ts";
import { writeOciLayout } from "../support/oci-layout.ts";
import { scratchDirectory } from "../support/scratch.ts";
import type { TestImage } from "../support/test-registry/test-image.ts";

async function imageAt(directory: string): Promise<{ reference: string; image: TestImage }> {
  const layers = [
    await makeLayer([directoryEntry("etc"), fileEntry("etc/motd", "hello\n".repeat(50_000))]),
    await makeLayer([fileEntry("etc/more", "more\n")], "zstd"),
    await makeLayer([directoryEntry("srv")], "none"),
  ];
  writeOciLayout(join(directory, "app"), "1", { layers });
  return { reference: `oci:${join(directory, "app")}:1`, image: { layers } };
}

/** What does not depend on the machine. */
function figures({ sizeBytes, decodedBytes, entries, layers }: ImportTimings) {
  return { sizeBytes, decodedBytes, entries, layers: layers.map(({ digest }) => digest) };
}

test("each run tells the same bytes and entries as an import of the image does", async () => {
  const directory = scratchDirectory();
  const { reference, image } = await imageAt(directory);
  const events: ImportEvent[] = [];
  const bench = await benchSandboxImage(reference, {
    runs: 2,
    onEvent: (event) => events.push(event),
  });
  let imported: ImportTimings | undefined;
  await importSandboxImage(reference, {
    home: join(directory, "home"),
    timings: true,
    onEvent: (event) => {
      if (event.type === "timings") imported = event.timings;
    },
  });
  const totalBytes = image.layers.reduce((sum, { bytes }) => sum + bytes.length, 0);
  expect(bench).toMatchObject({ platform: "linux/amd64", totalBytes });
  expect(bench.layers).toHaveLength(3);
  expect(bench.runs[0]).toMatchObject({ sizeBytes: totalBytes, entries: 4 });
  if (imported === undefined) throw new Error("an import tells where its time went");
  expect(bench.runs.map(figures)).toEqual([figures(imported), figures(imported)]);
  const types = events.map(({ type }) => type);
  expect(types.filter((type) => type === "resolved")).toHaveLength(2);
  expect(types.filter((type) => type === "done")).toHaveLength(1);
});

test("layers that cannot be merged fail a benchmark as they fail an import", async () => {
  const directory = scratchDirectory();
  const layers = [
    await makeLayer([fileEntry("a", "file\n")]),
    await makeLayer([fileEntry("a/b", "below a file\n")]),
  ];
  writeOciLayout(join(directory, "app"), "1", { layers });
  const reference = `oci:${join(directory, "app")}:1`;
  const error = await importErrorFrom(benchSandboxImage(reference));
  const expected = await importErrorFrom(
    importSandboxImage(reference, { home: join(directory, "home") }),
  );
  expect({ code: error.code, message: error.message }).toEqual({
    code: "ERR_NOT_A_DIRECTORY",
    message: expected.message,
  });
});

test("limits hold, and the trace of what was refused is a whole document", async () => {
  const directory = scratchDirectory();
  const { reference } = await imageAt(directory);
  const trace = join(directory, "trace.json");
  const pull = benchSandboxImage(reference, { limits: { layerBytes: 100_000 }, trace });
  expect((await importErrorFrom(pull)).code).toBe("ERR_LIMIT_EXCEEDED");
  const { traceEvents }: { traceEvents: { name: string }[] } = JSON.parse(
    readFileSync(trace, "utf8"),
  );
  const names = traceEvents.map(({ name }) => name);
  expect(names).toContain("pull");
  expect(names).toContain("layer 1");
});

test.each([
  [{ runs: 0 }, "runs is 0, it must be a whole number above 0"],
  [{ runs: 1.5 }, "runs is 1.5, it must be a whole number above 0"],
  [{ memoryMb: 10 }, "memoryMb is 10, it must be at least 256"],
  [{ platform: "" }, "platform"],
])("%o is refused before anything is asked", async (options, message) => {
  const error = await importErrorFrom(benchSandboxImage("localhost:1/none:1", options));
  expect(error.message).toContain(message);
});

test("a cancelled benchmark says so, and where the trace cannot be, nothing is begun", async () => {
  const directory = scratchDirectory();
  const { reference } = await imageAt(directory);
  const events: ImportEvent[] = [];
  const cancelled = benchSandboxImage(reference, { signal: AbortSignal.abort() });
  expect(await importErrorFrom(cancelled)).toMatchObject({
    code: "ERR_CANCELLED",
    message: "the benchmark was cancelled",
  });
  writeFileSync(join(directory, "file"), "");
  const onEvent = (event: ImportEvent): void => void events.push(event);
  const untraced = benchSandboxImage(reference, { trace: join(directory, "file/t"), onEvent });
  expect((await importErrorFrom(untraced)).code).toBe("ERR_OUTPUT_IO");
  expect(events).toEqual([]);
});

test("the time that a benchmark may take is that of all its runs together", async () => {
  const { reference } = await imageAt(scratchDirectory());
  const benchmark = benchSandboxImage(reference, { runs: 1000, timeoutSecs: 2 });
  const error = await importErrorFrom(benchmark);
  expect(error.code).toBe("ERR_TIMEOUT");
  expect(error.message).toBe("the benchmark had not ended after 2 s");
});
