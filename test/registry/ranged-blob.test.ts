import fc from "fast-check";
import { randomBytes } from "node:crypto";
import { EventEmitter, once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, onTestFinished, test } from "vitest";
import type { RangeSettings } from "../../src/registry/range-plan.ts";
import { planConnections } from "../../src/registry/range-plan.ts";
import type { RegistryClient } from "../../src/registry/registry-client.ts";
import type { RetryEvent } from "../../src/registry/retry-plan.ts";
import { importErrorFrom } from "../support/import-error.ts";
import type { ClientSetup } from "../support/registry-pull.ts";
import { descriptorOf, readStream, testClient } from "../support/registry-pull.ts";
import { startedRegistry } from "../support/started-registry.ts";
import type { Fault } from "../support/test-registry/faults.ts";
import type { TestRegistry, TestRegistryOptions } from "../support/test-registry/test-registry.ts";

const KIB = 1024;
const { signal } = new AbortController();
const OPEN = { signal, fresh: false, what: "layer 1 of 1 of the test" };
const SMALL: Partial<RangeSettings> = {
  minLayerBytes: 100 * KIB,
  chunkBytes: 64 * KIB,
  minChunkBytes: 16 * KIB,
  budgetBytes: 512 * KIB,
  tickMs: 5,
  measureMs: 40,
  hedgeFactor: 1e6,
};
/** More connections without looking at the clock, as soon as the first stream has brought something. */
const ALWAYS: typeof planConnections = (plan, { receivedBytes }) =>
  receivedBytes > 0 ? { connections: 4, settled: true } : plan;

/** A registry whose first answer stops after 100 kB until it is told to go on. */
interface HeldRegistry {
  readonly registry: TestRegistry;
  readonly release: () => void;
}

async function heldRegistry(options: TestRegistryOptions = {}): Promise<HeldRegistry> {
  const registry = await startedRegistry(options);
  const gate = new EventEmitter();
  const on = options.redirectBlobs === true ? "cdn" : "blob";
  registry.faults.add({
    on,
    kind: "hold",
    afterBytes: 100_000,
    released: once(gate, "release"),
    times: 1,
  });
  return { registry, release: () => void gate.emit("release") };
}

/** A line slow enough that extra requests have the time to come in. */
function slowRegistry(options: TestRegistryOptions = {}): Promise<TestRegistry> {
  return startedRegistry({ bytesPerSecond: 4e6, ...options });
}

function clientOf(registry: TestRegistry, setup: ClientSetup = {}): RegistryClient {
  const client = testClient(`${registry.host}/team/app:1`, {
    plainHttp: true,
    ranges: SMALL,
    planConnections: ALWAYS,
    ...setup,
  });
  onTestFinished(() => client.close());
  return client;
}

async function pulled(
  registry: TestRegistry,
  client: RegistryClient,
  blob: Buffer,
  bufferBytes: number = 50_000,
): Promise<boolean> {
  const stream = client.openBlob(descriptorOf(await registry.addBlob(blob)), OPEN);
  return (await readStream(stream, bufferBytes)).equals(blob);
}

/** The same; the first stream goes on once `condition` holds. */
async function pulledOnce(
  { registry, release }: HeldRegistry,
  client: RegistryClient,
  condition: () => boolean,
): Promise<boolean> {
  const outcome = pulled(registry, client, BLOB);
  while (!condition()) await sleep(2);
  release();
  return outcome;
}

function rangesOf({ requests }: TestRegistry): readonly string[] {
  return requests.flatMap(({ range }) => (range === undefined ? [] : [range]));
}

const BLOB = Buffer.from(randomBytes(1024 * KIB));

test("the first request has no Range, extras ask for chunks ahead of it, and nothing is asked for twice", async () => {
  const held = await heldRegistry();
  const { registry } = held;
  // The stream stands at 100 kB; the chunks are as many as the memory for them.
  const full = (): boolean => rangesOf(registry).length === 8;
  expect(await pulledOnce(held, clientOf(registry), full)).toBe(true);
  expect(registry.requests[0]?.range).toBeUndefined();
  const regions = rangesOf(registry)
    .map((range) => (/^bytes=(\d+)-(\d+)$/.exec(range) ?? []).slice(1).map(Number))
    .toSorted(([a = 0], [b = 0]) => a - b);
  let at = 100_000;
  for (const [start = 0, end = 0] of regions) {
    expect(start).toBeGreaterThan(at);
    at = end;
  }
  expect(at).toBe(BLOB.length - 1);
});

test("with the decision left to the clocks, a slow line gets more connections", async () => {
  const registry = await slowRegistry({ bytesPerSecond: 2e6 });
  const measured = { ...SMALL, measureBytes: 10 * KIB };
  const client = clientOf(registry, { ranges: measured, planConnections });
  const stream = client.openBlob(descriptorOf(await registry.addBlob(BLOB)), OPEN);
  expect((await readStream(stream)).equals(BLOB)).toBe(true);
  expect(rangesOf(registry).length).toBeGreaterThan(0);
});

test("a consumer that is busy is not given more connections, however long it takes", async () => {
  const registry = await startedRegistry();
  const measured = { ...SMALL, measureBytes: 10 * KIB };
  const client = clientOf(registry, { ranges: measured, planConnections });
  const stream = client.openBlob(descriptorOf(await registry.addBlob(BLOB)), OPEN);
  if (!("watchConsumer" in stream)) throw new Error("the blob is not ranged");
  // As the decoder is the wall: it has something to do at all times.
  stream.watchConsumer(() => 0);
  for (let total = 0; total < BLOB.length;) {
    await sleep(10);
    total += await stream.read(new Uint8Array(64 * KIB));
  }
  expect(registry.requests).toHaveLength(1);
});

test.each([
  ["small blobs", { ranges: { ...SMALL, minLayerBytes: BLOB.length + 1 } }],
  ["a client told not to", { ranges: false }],
  ["a client with one connection", { concurrency: 1 }],
] satisfies readonly [string, ClientSetup][])("%s: one request a blob", async (_, setup) => {
  const registry = await slowRegistry();
  expect(await pulled(registry, clientOf(registry, setup), BLOB)).toBe(true);
  expect(registry.requests).toHaveLength(1);
});

const QUIRKS: readonly Fault[] = [
  { on: "blob", kind: "ignore-range" },
  { on: "blob", kind: "wrong-range", shiftBytes: 10 },
  { on: "blob", kind: "wrong-total", extraBytes: 1 },
  { on: "blob", kind: "no-content-range" },
  { on: "blob", kind: "truncate", toBytes: 5000 },
  { on: "blob", kind: "append", bytes: 1 },
  { on: "blob", kind: "range-not-satisfiable" },
  { on: "blob", kind: "range-not-satisfiable", likeDistribution: true },
  { on: "blob", kind: "status", status: 400, body: "Artifactory" },
  { on: "blob", kind: "status", status: 403 },
  { on: "blob", kind: "status", status: 404 },
  { on: "blob", kind: "redirect", location: "ftp://elsewhere/" },
];

test.each(QUIRKS)(
  "a host that answers ranges so is asked for one, and never again: %o",
  async (quirk) => {
    const held = await heldRegistry();
    const { registry } = held;
    registry.faults.add({ ...quirk, ranged: true });
    const retries: RetryEvent[] = [];
    const client = clientOf(registry, { retries });
    expect(await pulledOnce(held, client, () => retries.length > 0)).toBe(true);
    expect(rangesOf(registry)).toHaveLength(1);
    expect(retries.map(({ why }) => why)).toEqual([
      expect.stringContaining("is not asked for ranges any more"),
    ]);
    expect(await pulled(registry, client, Buffer.from(randomBytes(300 * KIB)))).toBe(true);
    expect(rangesOf(registry)).toHaveLength(1);
  },
);

const PASSING: readonly Fault[] = [
  { on: "blob", kind: "silence" },
  { on: "blob", kind: "reset", afterBytes: 0 },
  { on: "blob", kind: "close", afterBytes: 5000 },
  { on: "blob", kind: "stall", afterBytes: 5000 },
  { on: "blob", kind: "status", status: 503 },
  { on: "blob", kind: "status", status: 429, headers: { "retry-after": "0" } },
];

test.each(PASSING)("ranges that fail, all of them, cost a layer nothing: %o", async (fault) => {
  const held = await heldRegistry();
  const { registry } = held;
  registry.faults.add({ ...fault, ranged: true });
  const client = clientOf(registry);
  // Those that fail at once have failed three times by then; those that hang are overtaken by the stream.
  const hangs = fault.kind === "silence" || fault.kind === "stall";
  const asked = (): boolean => rangesOf(registry).length >= (hangs ? 1 : 3);
  expect(await pulledOnce(held, client, asked)).toBe(true);
  // The first stream never broke.
  expect(rangesOf(registry).filter((range) => range.endsWith("-"))).toEqual([]);
});

test("after three ranges in a row that failed, a host is not asked for more", async () => {
  const held = await heldRegistry();
  const { registry } = held;
  registry.faults.add({ on: "blob", kind: "status", status: 503, ranged: true });
  const retries: RetryEvent[] = [];
  const client = clientOf(registry, { retries });
  expect(await pulledOnce(held, client, () => retries.length === 3)).toBe(true);
  expect(await pulled(registry, client, Buffer.from(randomBytes(300 * KIB)))).toBe(true);
  expect(rangesOf(registry)).toHaveLength(3);
  expect(retries.at(-1)?.why).toContain("is not asked for ranges any more");
});

test.each(PASSING)(
  "a range that fails once is asked for again, or read by a stream: %o",
  async (fault) => {
    const registry = await slowRegistry();
    registry.faults.add({ ...fault, ranged: true, times: 1, skip: 3 });
    const client = clientOf(registry, {
      timing: { stallMs: 150, firstByteMs: 150, firstBlobByteMs: 5000 },
    });
    expect(await pulled(registry, client, BLOB)).toBe(true);
  },
);

test("a first stream that breaks off and stalls goes on among its chunks", async () => {
  for (const kind of ["close", "reset", "stall"] as const) {
    const registry = await slowRegistry();
    registry.faults.add({ on: "blob", kind, afterBytes: 100_000, times: 1 });
    const client = clientOf(registry, { timing: { stallMs: 100 } });
    expect(await pulled(registry, client, BLOB)).toBe(true);
  }
});

test("a layer that fails for good fails with its first stream's error", async () => {
  const registry = await slowRegistry();
  registry.faults.add({ on: "blob", kind: "close", afterBytes: 100_000, times: 1 });
  registry.faults.add({ on: "blob", kind: "status", status: 404 });
  const stream = clientOf(registry).openBlob(descriptorOf(await registry.addBlob(BLOB)), OPEN);
  const error = await importErrorFrom(readStream(stream));
  expect(error.code).toBe("ERR_IMAGE_NOT_FOUND");
  expect(await importErrorFrom(stream.read(new Uint8Array(1)))).toBe(error);
});

test("a chunk that is late is asked for again from where it stands", async () => {
  const registry = await slowRegistry();
  // The fifth range, once others have come; nobody gives up on it by the clock.
  registry.faults.add({
    on: "blob",
    kind: "stall",
    afterBytes: 10_000,
    ranged: true,
    times: 1,
    skip: 4,
  });
  const ranges = { ...SMALL, hedgeFactor: 3 };
  const client = clientOf(registry, { ranges, timing: { stallMs: 60_000 } });
  expect(await pulled(registry, client, BLOB)).toBe(true);
});

test("after a 429 fewer connections are used, and the host is left alone as long as it asks", async () => {
  const held = await heldRegistry();
  const { registry } = held;
  const headers = { "retry-after": "1" };
  const limited = { on: "blob", kind: "status", status: 429, headers, ranged: true } as const;
  registry.faults.add({ ...limited, times: 1 });
  const retries: RetryEvent[] = [];
  const client = clientOf(registry, { retries, concurrency: 2, random: () => 0 });
  expect(await pulledOnce(held, client, () => retries.length > 0)).toBe(true);
  // One slot is left, and the layer's stream has it.
  expect(rangesOf(registry)).toHaveLength(1);
  expect(retries.map(({ why }) => why)).toEqual([expect.stringContaining("429")]);
});

test("a redirect is followed once a layer, and never with our credentials", async () => {
  const held = await heldRegistry({ redirectBlobs: true, auth: { mode: "bearer" } });
  const { registry } = held;
  expect(await pulledOnce(held, clientOf(registry), () => rangesOf(registry).length === 8)).toBe(
    true,
  );
  const asked = registry.requests.filter(({ path }) => path.includes("/blobs/"));
  // The challenge, and the redirect.
  expect(asked).toHaveLength(2);
  expect(registry.violations).toEqual([]);
});

test("a signed link that has expired is asked for anew, once for all chunks", async () => {
  const held = await heldRegistry({ redirectBlobs: true, linkUses: 6 });
  const { registry } = held;
  const chunks = (): readonly string[] =>
    registry.requests.flatMap(({ at, range = "" }) =>
      at === "cdn" && range !== "" ? [range] : [],
    );
  expect(await pulledOnce(held, clientOf(registry), () => new Set(chunks()).size === 8)).toBe(true);
  const links = registry.requests.filter(({ at }) => at === "registry");
  // Five chunks had the stream's link, the others that of the first of them that was refused.
  expect(links.slice(0, 2).map(({ range }) => range !== undefined)).toEqual([false, true]);
  expect(new Set(chunks()).size + 2).toBeGreaterThan(links.length * 2);
  expect(registry.violations).toEqual([]);
});

test("links that are never good twice are asked for each time", async () => {
  const held = await heldRegistry({ redirectBlobs: true, linkUses: 1 });
  const { registry } = held;
  const full = (): boolean => new Set(rangesOf(registry)).size === 8;
  expect(await pulledOnce(held, clientOf(registry), full)).toBe(true);
  expect(registry.violations).toEqual([]);
});

test("a token that expires in the middle is renewed once for all", async () => {
  const held = await heldRegistry({ auth: { mode: "bearer" } });
  const { registry } = held;
  let revoked = false;
  const condition = (): boolean => {
    if (!revoked && rangesOf(registry).length >= 2) {
      revoked = true;
      registry.tokens?.revokeAll();
    }
    return new Set(rangesOf(registry)).size === 8;
  };
  expect(await pulledOnce(held, clientOf(registry), condition)).toBe(true);
  expect(registry.requests.filter(({ at }) => at === "token")).toHaveLength(2);
});

test("after a wrong digest the blob is read without ranges, and so is every later one", async () => {
  const held = await heldRegistry();
  const { registry } = held;
  registry.faults.add({ on: "blob", kind: "flip", atByte: 100, ranged: true });
  const client = clientOf(registry);
  expect(await pulledOnce(held, client, () => rangesOf(registry).length === 8)).toBe(false);
  const before = registry.requests.length;
  const descriptor = descriptorOf(await registry.addBlob(BLOB));
  const again = client.openBlob(descriptor, { ...OPEN, fresh: true });
  expect((await readStream(again)).equals(BLOB)).toBe(true);
  expect(await pulled(registry, client, Buffer.from(randomBytes(300 * KIB)))).toBe(true);
  expect(registry.requests.slice(before).map(({ range }) => range)).toEqual([undefined, undefined]);
});

test("memory is bounded over all layers, and given back", async () => {
  const registry = await slowRegistry();
  const client = clientOf(registry, {
    ranges: { ...SMALL, budgetBytes: 128 * KIB },
    concurrency: 16,
  });
  const blobs = [1, 2, 3].map(() => Buffer.from(randomBytes(600 * KIB)));
  let most = 0;
  const watch = setInterval(() => {
    most = Math.max(most, client.chunkMemoryBytes);
  }, 1);
  const outcomes = await Promise.all(blobs.map((blob) => pulled(registry, client, blob, 10_000)));
  clearInterval(watch);
  expect(outcomes).toEqual([true, true, true]);
  expect(most).toBe(128 * KIB);
  while (client.chunkMemoryBytes > 0) await sleep(1);
});

test("an abort ends the read and every connection", async () => {
  for (const end of ["abort", "cancel", "close"] as const) {
    const registry = await slowRegistry();
    const client = clientOf(registry);
    const controller = new AbortController();
    const options = { ...OPEN, signal: controller.signal };
    const stream = client.openBlob(descriptorOf(await registry.addBlob(BLOB)), options);
    const read = importErrorFrom(readStream(stream));
    while (rangesOf(registry).length < 3) await sleep(2);
    if (end === "abort") controller.abort();
    else if (end === "cancel") stream.cancel();
    else await client.close();
    expect((await read).code).toBe("ERR_CANCELLED");
    // The connections of what was given up are closed, not drained.
    while (registry.openAnswers > 0) await sleep(2);
    while (client.chunkMemoryBytes > 0) await sleep(2);
    stream.cancel();
  }
});

test("whatever arrives when, and whatever fails, exactly the blob is delivered", async () => {
  const registry = await startedRegistry({ bytesPerSecond: 10e6 });
  const timing = {
    baseDelayMs: 0,
    maxDelayMs: 1,
    attempts: 50,
    stallMs: 30,
    firstByteMs: 30,
    firstBlobByteMs: 200,
  };
  const fault = fc.record({
    kind: fc.constantFrom(
      "late" as const,
      "close" as const,
      "reset" as const,
      "stall" as const,
      "silence" as const,
      "status" as const,
    ),
    ms: fc.nat(20),
    afterBytes: fc.nat(70_000),
    status: fc.constant(503),
    skip: fc.nat(12),
    ranged: fc.constantFrom(true as const, undefined),
  });
  await fc.assert(
    fc.asyncProperty(
      fc.array(fault, { maxLength: 8 }),
      fc.integer({ min: 1000, max: 200_000 }),
      fc.integer({ min: 100 * KIB, max: 500 * KIB }),
      fc.integer({ min: 2, max: 6 }),
      async (faults, bufferBytes, sizeBytes, concurrency) => {
        registry.faults.clear();
        for (const { ranged, ...one } of faults) {
          registry.faults.add({ on: "blob", times: 1, ...one, ...(ranged ? { ranged } : {}) });
        }
        const client = clientOf(registry, { timing, concurrency });
        expect(await pulled(registry, client, BLOB.subarray(0, sizeBytes), bufferBytes)).toBe(true);
        while (client.chunkMemoryBytes > 0) await sleep(1);
        await client.close();
      },
    ),
    { numRuns: 15 },
  );
});
