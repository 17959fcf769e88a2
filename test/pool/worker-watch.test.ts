import { afterEach, beforeAll, expect, test } from "vitest";
import type { ImportError } from "../../src/errors.ts";
import { decodeLayers } from "../../src/pool/decode-layers.ts";
import { startWorkerPool, type WorkerPool } from "../../src/pool/worker-pool.ts";
import type { SealTask } from "../../src/sink/sink.ts";
import { importErrorFrom } from "../support/import-error.ts";
import { fileEntry, makeLayer } from "../support/make-layer.ts";
import { decodeOptions, layersToDecode } from "../support/pull-layers.ts";
import { scratchDirectory } from "../support/scratch.ts";
import type { TestLayer } from "../support/test-registry/test-image.ts";

/** So that tests take seconds. Of the clock, only the start counts. */
const IMPATIENT = { stuckMs: 300, startMs: 30_000, tickMs: 50 };
const TASK: SealTask = { kind: "directory", task: JSON.parse("{}") };

let layer: TestLayer;
let pool: WorkerPool | undefined;

beforeAll(async () => {
  layer = await makeLayer([fileEntry("file", "contents")]);
});
afterEach(() => pool?.close());

function poolOf(file: string, resourceLimits = {}, patience = IMPATIENT): WorkerPool {
  const worker = { file: new URL(`./workers/${file}.ts`, import.meta.url), resourceLimits };
  pool = startWorkerPool(1, { worker, patience });
  return pool;
}

/** Of a layer that such a worker is to decode. */
async function failureOf(file: string, resourceLimits = {}): Promise<ImportError> {
  const options = decodeOptions(scratchDirectory());
  const source = layersToDecode([layer]);
  return importErrorFrom(decodeLayers(poolOf(file, resourceLimits), source, options));
}

test.each([
  ["exits", /a worker thread died: it ended with exit code 7$/, /--cpus 1/],
  ["throws", /a worker thread died: nobody catches this$/, /--cpus 1/],
  ["takes-all-memory", /a worker thread died: .*memory limit/, /--cpus 1/],
  ["loops", /^layer 1 of 1 of test: a worker thread makes no progress any more$/, /report it/],
  ["loses-messages", /a worker thread makes no progress any more$/, /report it/],
])("a worker that %s is one error that says what to do", async (file, message, hint) => {
  const error = await failureOf(file, { maxOldGenerationSizeMb: 24 });
  expect(error.code).toBe("ERR_WORKER_FAILED");
  expect(error.message).toMatch(message);
  expect(error.hint).toMatch(hint);
});

test("a worker that hangs before it takes its first message is noticed", async () => {
  const hanging = poolOf("loops-from-the-start", {}, { ...IMPATIENT, startMs: 500 });
  const error = await importErrorFrom(hanging.runTasks([TASK]));
  expect(error.message).toBe("a worker thread makes no progress any more");
});

test("all layers that wait for a worker which hangs end with the same error", async () => {
  const options = decodeOptions(scratchDirectory(), { concurrency: 3 });
  const others = await Promise.all(["a", "b"].map((name) => makeLayer([fileEntry(name, name)])));
  const source = layersToDecode([layer, ...others]);
  const error = await importErrorFrom(decodeLayers(poolOf("loops"), source, options));
  expect(error.message).toMatch(/^layer \d of 3 of test: a worker thread makes no progress/);
  expect(error.details).toMatchObject({ layer: expect.any(Number) });
});

test("what comes after the end of a worker fails with the same error, at once", async () => {
  const dead = poolOf("exits");
  await importErrorFrom(dead.runTasks([TASK]));
  const error = await importErrorFrom(dead.runTasks([TASK, TASK]));
  expect(error.message).toMatch(/exit code 7$/);
});

test("a seal that hangs is named", async () => {
  const error = await importErrorFrom(poolOf("loops").runTasks([TASK]));
  expect(error.message).toBe("the root filesystem: a worker thread makes no progress any more");
});

test("a worker that waits for the disk is left in peace, however long", async () => {
  expect(await poolOf("is-slow").runTasks([TASK])).toEqual(["slow"]);
});

test("a worker without work may idle as long as it likes", async () => {
  const idle = poolOf("exits");
  await new Promise((settle) => {
    setTimeout(settle, 1000);
  });
  const error = await importErrorFrom(idle.runTasks([TASK]));
  expect(error.message).toMatch(/exit code 7$/);
});
