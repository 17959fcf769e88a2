import fc from "fast-check";
import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { gzipSync } from "node:zlib";
import { expect, onTestFinished, test } from "vitest";
import type { RegistryClient } from "../../src/registry/registry-client.ts";
import { importErrorFrom } from "../support/import-error.ts";
import type { ClientSetup } from "../support/registry-pull.ts";
import { descriptorOf, readStream, testClient } from "../support/registry-pull.ts";
import { startedRegistry } from "../support/started-registry.ts";
import { startScriptedServer } from "../support/test-registry/scripted-server.ts";
import type { TestRegistry } from "../support/test-registry/test-registry.ts";
import { startTestRegistry } from "../support/test-registry/test-registry.ts";

const { signal } = new AbortController();
const OPEN = { signal, fresh: false, what: "layer 1 of 1 of the test" };

function clientOf(registry: TestRegistry, setup: ClientSetup = {}): RegistryClient {
  const client = testClient(`${registry.host}/team/app:1`, { plainHttp: true, ...setup });
  onTestFinished(() => client.close());
  return client;
}

test("cuts at any points, by any end of a connection, lose no byte and repeat none", async () => {
  const registry = await startedRegistry();
  const client = clientOf(registry, { timing: { baseDelayMs: 0, attempts: 50, stallMs: 60 } });
  const blob = Buffer.from(randomBytes(120_000));
  const added = await registry.addBlob(blob);
  const cut = fc.record({
    kind: fc.constantFrom("close" as const, "reset" as const, "ignore-range" as const),
    afterBytes: fc.nat(130_000),
  });
  await fc.assert(
    fc.asyncProperty(
      fc.array(cut, { maxLength: 5 }),
      fc.integer({ min: 1, max: 50_000 }),
      async (cuts, bufferBytes) => {
        registry.faults.clear();
        for (const fault of cuts) registry.faults.add({ on: "blob", times: 1, ...fault });
        const received = await readStream(client.openBlob(descriptorOf(added), OPEN), bufferBytes);
        expect(received.equals(blob)).toBe(true);
      },
    ),
    { numRuns: 25 },
  );
});

test("an encoded body that breaks off after half of the blob was read is fetched once more", async () => {
  const registry = await startedRegistry();
  const blob = Buffer.from(randomBytes(600_000));
  const added = await registry.addBlob(blob);
  const cut = { on: "blob", kind: "encode", coding: "gzip", cutBytes: 50_000 } as const;
  registry.faults.add({ ...cut, times: 1 });
  const client = clientOf(registry);
  const received = await readStream(client.openBlob(descriptorOf(added), OPEN), 10_000);
  expect(received.equals(blob)).toBe(true);
  registry.faults.add(cut);
  const error = await importErrorFrom(
    readStream(client.openBlob(descriptorOf(added), OPEN), 10_000),
  );
  expect(error.code).toBe("ERR_SIZE_MISMATCH");
  expect(error.message).toContain("a broken Content-Encoding");
});

test("read fills its buffer, and less only at the end", async () => {
  const registry = await startedRegistry();
  const blob = Buffer.from(randomBytes(100_000));
  const added = await registry.addBlob(blob);
  registry.faults.add({ on: "blob", kind: "reset", afterBytes: 5000, times: 1 });
  const stream = clientOf(registry).openBlob(descriptorOf(added), OPEN);
  const lengths: number[] = [];
  for (;;) {
    const length = await stream.read(new Uint8Array(30_000));
    lengths.push(length);
    if (length < 30_000) break;
  }
  expect(lengths).toEqual([30_000, 30_000, 30_000, 10_000]);
  expect(await stream.read(new Uint8Array(10))).toBe(0);
});

test("a consumer that does not read stops the socket: what is held stays bounded", async () => {
  const sizeBytes = 64 << 20;
  let sentBytes = 0;
  const blob = { digest: `sha256:${"0".repeat(64)}`, sizeBytes };
  const { createServer } = await import("node:http");
  const server = createServer((_, response) => {
    response.writeHead(200, { "content-length": String(sizeBytes) });
    const chunk = Buffer.alloc(1 << 20, 7);
    const more = (): void => {
      if (sentBytes >= sizeBytes) response.end();
      else {
        response.write(chunk, more);
        sentBytes += chunk.length;
      }
    };
    more();
  });
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  const client = testClient(`127.0.0.1:${address.port}/team/app:1`, {
    plainHttp: true,
    ranges: false,
  });
  onTestFinished(() => client.close());
  const stream = client.openBlob(descriptorOf(blob), OPEN);
  await stream.read(new Uint8Array(1000));
  // Whatever the kernel's buffers take, the server is stuck long before the end, and stays there.
  let before = -1;
  while (before !== sentBytes) {
    before = sentBytes;
    await sleep(150);
  }
  expect(sentBytes).toBeLessThan(sizeBytes / 2);
  const rest = await readStream(stream, 1 << 20);
  expect(rest.length).toBe(sizeBytes - 1000);
});

test("a consumer slower than the server gets the bytes in their order", async () => {
  const registry = await startedRegistry();
  const blob = Buffer.from(randomBytes(8 << 20));
  const added = await registry.addBlob(blob);
  const stream = clientOf(registry).openBlob(descriptorOf(added), OPEN);
  const parts: Buffer[] = [];
  for (let total = 0; total < blob.length;) {
    // Sizes that fit neither the socket's chunks nor the buffer, so that reads end within both.
    const part = Buffer.alloc(Math.min(blob.length - total, 1000 + ((total * 7) % 400_000)));
    expect(await stream.read(part)).toBe(part.length);
    total += part.length;
    parts.push(part);
    if (parts.length % 3 === 0) await sleep(3);
  }
  expect(Buffer.concat(parts).equals(blob)).toBe(true);
});

test("a paused consumer is no stall, and a stalled server is", async () => {
  const registry = await startedRegistry();
  const blob = Buffer.from(randomBytes(50_000));
  const added = await registry.addBlob(blob);
  const retries: ClientSetup["retries"] = [];
  const client = clientOf(registry, { retries, timing: { stallMs: 80 } });
  const slow = client.openBlob(descriptorOf(added), OPEN);
  await slow.read(new Uint8Array(10));
  await sleep(250);
  expect((await readStream(slow)).equals(blob.subarray(10))).toBe(true);
  expect(retries).toEqual([]);
  registry.faults.add({ on: "blob", kind: "stall", afterBytes: 7000, times: 1 });
  const stalled = await readStream(client.openBlob(descriptorOf(added), OPEN));
  expect(stalled.equals(blob)).toBe(true);
  expect(retries).toEqual([
    {
      what: OPEN.what,
      why: expect.stringContaining("no byte for 0.1 s"),
      attempt: 2,
      delayMs: expect.any(Number),
    },
  ]);
});

test("a server that never answers is given up, and asked again as often as allowed", async () => {
  const registry = await startedRegistry();
  const added = await registry.addBlob(Buffer.from("x"));
  registry.faults.add({ on: "blob", kind: "silence" });
  const timing = { firstByteMs: 50, firstBlobByteMs: 50, attempts: 3 };
  const client = clientOf(registry, { timing });
  const error = await importErrorFrom(readStream(client.openBlob(descriptorOf(added), OPEN)));
  expect(error).toMatchObject({
    code: "ERR_TIMEOUT",
    message: expect.stringContaining("no answer for 0.1 s"),
  });
  expect(registry.requests).toHaveLength(3);
});

test("too many bytes, too few, a missing blob and a flood of errors each have their own code", async () => {
  const registry = await startedRegistry();
  const added = await registry.addBlob(Buffer.alloc(5000, 1));
  const client = clientOf(registry, { timing: { attempts: 3 } });
  const outcome = async (): Promise<string> =>
    (await importErrorFrom(readStream(client.openBlob(descriptorOf(added), OPEN)))).code;
  registry.faults.add({ on: "blob", kind: "append", bytes: 10, times: 1 });
  expect(await outcome()).toBe("ERR_SIZE_MISMATCH");
  registry.faults.add({ on: "blob", kind: "truncate", toBytes: 4999, times: 2 });
  expect(await outcome()).toBe("ERR_SIZE_MISMATCH");
  registry.faults.add({ on: "blob", kind: "missing", times: 1 });
  expect(await outcome()).toBe("ERR_IMAGE_NOT_FOUND");
  registry.faults.add({ on: "blob", kind: "status", status: 502, times: 3 });
  expect(await outcome()).toBe("ERR_REGISTRY_UNAVAILABLE");
  registry.faults.add({ on: "blob", kind: "reset", afterBytes: 0, times: 4 });
  expect(await outcome()).toBe("ERR_NETWORK");
});

test("every later read of a stream that failed fails in the same way", async () => {
  const registry = await startedRegistry();
  const added = await registry.addBlob(Buffer.alloc(5000, 1));
  registry.faults.add({ on: "blob", kind: "missing" });
  const stream = clientOf(registry).openBlob(descriptorOf(added), OPEN);
  const first = await importErrorFrom(stream.read(new Uint8Array(10)));
  expect(await importErrorFrom(stream.read(new Uint8Array(10)))).toBe(first);
});

test("Retry-After is kept by everybody who talks to the host", async () => {
  const registry = await startedRegistry();
  const added = await registry.addBlob(Buffer.alloc(5000, 1));
  registry.faults.add({
    on: "blob",
    kind: "status",
    status: 429,
    headers: { "retry-after": "1" },
    times: 1,
  });
  const client = clientOf(registry, { random: () => 0 });
  const first = client.openBlob(descriptorOf(added), OPEN);
  const firstRead = readStream(first);
  while (registry.requests.length === 0) await sleep(5);
  await sleep(50);
  const second = readStream(client.openBlob(descriptorOf(added), OPEN));
  await sleep(300);
  expect(registry.requests).toHaveLength(1);
  expect((await firstRead).length + (await second).length).toBe(10_000);
});

test("a wait of an hour is an error that says so, not a silence", async () => {
  const registry = await startedRegistry();
  const added = await registry.addBlob(Buffer.alloc(5000, 1));
  const headers = { "retry-after": "3600" };
  registry.faults.add({ on: "blob", kind: "status", status: 429, headers });
  const stream = clientOf(registry).openBlob(descriptorOf(added), OPEN);
  expect(await importErrorFrom(readStream(stream))).toMatchObject({
    code: "ERR_RATE_LIMITED",
    message: expect.stringContaining("3600 s"),
  });
});

test("cancelling ends a read that waits, and gives the slot to the next", async () => {
  const registry = await startedRegistry();
  const added = await registry.addBlob(Buffer.alloc(5000, 1));
  registry.faults.add({ on: "blob", kind: "stall", afterBytes: 100, times: 1 });
  const client = clientOf(registry, { concurrency: 1 });
  const stuck = client.openBlob(descriptorOf(added), OPEN);
  const waiting = client.openBlob(descriptorOf(added), OPEN);
  const read = importErrorFrom(readStream(stuck));
  while (registry.requests.length === 0) await sleep(5);
  stuck.cancel();
  stuck.cancel();
  expect((await read).code).toBe("ERR_CANCELLED");
  expect((await importErrorFrom(stuck.read(new Uint8Array(1)))).code).toBe("ERR_CANCELLED");
  expect(await readStream(waiting)).toHaveLength(5000);
});

test("an aborted signal ends reads that wait for bytes, for a slot, and between tries", async () => {
  const registry = await startedRegistry();
  const added = await registry.addBlob(Buffer.alloc(5000, 1));
  registry.faults.add({ on: "blob", kind: "stall", afterBytes: 100, times: 1 });
  const client = clientOf(registry, { concurrency: 1, timing: { baseDelayMs: 60_000 } });
  const controller = new AbortController();
  const options = { ...OPEN, signal: controller.signal };
  const reads = [1, 2, 3].map(() =>
    importErrorFrom(readStream(client.openBlob(descriptorOf(added), options))),
  );
  while (registry.requests.length === 0) await sleep(5);
  controller.abort();
  expect((await Promise.all(reads)).map(({ code }) => code)).toEqual([
    "ERR_CANCELLED",
    "ERR_CANCELLED",
    "ERR_CANCELLED",
  ]);
});

test("closing the client ends its streams", async () => {
  const registry = await startedRegistry();
  const added = await registry.addBlob(Buffer.alloc(5000, 1));
  registry.faults.add({ on: "blob", kind: "stall", afterBytes: 100, times: 1 });
  const client = clientOf(registry);
  const read = importErrorFrom(readStream(client.openBlob(descriptorOf(added), OPEN)));
  while (registry.requests.length === 0) await sleep(5);
  await client.close();
  expect((await read).code).toBe("ERR_CANCELLED");
});

test("an empty blob is not asked for", async () => {
  const registry = await startedRegistry();
  const stream = clientOf(registry).openBlob(
    descriptorOf({ digest: `sha256:${"e".repeat(64)}`, sizeBytes: 0 }),
    OPEN,
  );
  expect(await stream.read(new Uint8Array(10))).toBe(0);
  expect(registry.requests).toEqual([]);
});

test("asked again after a wrong digest, caches are told not to answer", async () => {
  const registry = await startedRegistry();
  const added = await registry.addBlob(Buffer.from("abc"));
  const stream = clientOf(registry).openBlob(descriptorOf(added), { ...OPEN, fresh: true });
  await readStream(stream);
  expect(registry.requests[0]?.headers).toMatchObject({
    "cache-control": "no-cache",
    "accept-encoding": "identity",
  });
});

test("a gzip layer that a server labels x-gzip, without a length, comes as it is stored", async () => {
  const stored = gzipSync(randomBytes(20_000));
  const server = await startScriptedServer(() => ({
    status: 200,
    headers: { "content-encoding": "x-gzip" },
    body: stored,
    transfer: "chunked",
    end: "clean",
  }));
  onTestFinished(() => server.close());
  const client = testClient(`${server.origin.replace("http://", "")}/team/app:1`, {
    plainHttp: true,
  });
  onTestFinished(() => client.close());
  const descriptor = descriptorOf(
    { digest: `sha256:${"0".repeat(64)}`, sizeBytes: stored.length },
    { mediaType: "application/vnd.oci.image.layer.v1.tar+gzip" },
  );
  expect((await readStream(client.openBlob(descriptor, OPEN))).equals(stored)).toBe(true);
});

test("a foreign layer is fetched from its URL without credentials, and from the registry when that fails", async () => {
  const elsewhere = await startedRegistry();
  const bytes = Buffer.from(randomBytes(10_000));
  await elsewhere.addBlob(bytes);
  const registry = await startedRegistry({ auth: { mode: "basic", users: { alice: "fake-pw" } } });
  const added = await registry.addBlob(bytes);
  const login = { kind: "basic", username: "alice", password: "fake-pw" } as const;
  const client = clientOf(registry, { login });
  const urls = [`${elsewhere.url}/v2/any/blobs/${added.digest}`];
  const there = client.openBlob(descriptorOf(added, { urls }), OPEN);
  expect((await readStream(there)).equals(bytes)).toBe(true);
  expect(elsewhere.requests.map(({ authorization }) => authorization)).toEqual(["none"]);
  expect(registry.requests).toEqual([]);
  // It breaks off, and the registry has the rest.
  elsewhere.faults.add({ on: "blob", kind: "close", afterBytes: 4000 });
  const split = client.openBlob(descriptorOf(added, { urls }), OPEN);
  expect((await readStream(split)).equals(bytes)).toBe(true);
  expect(registry.requests.at(-1)?.range).toBe("bytes=4000-");
  for (const bad of [
    "http://10.0.0.1/x",
    "http://169.254.169.254/x",
    "file:///etc/passwd",
    "http://u:p@h/",
  ]) {
    const stream = client.openBlob(descriptorOf(added, { urls: [bad] }), OPEN);
    expect((await readStream(stream)).equals(bytes)).toBe(true);
  }
});

test("a signed link that has expired is asked for again through the registry", async () => {
  const registry = await startTestRegistry({ redirectBlobs: true });
  onTestFinished(() => registry.close());
  const bytes = Buffer.from(randomBytes(10_000));
  const added = await registry.addBlob(bytes);
  registry.faults.add({ on: "cdn", kind: "close", afterBytes: 4000, times: 1 });
  registry.faults.add({ on: "cdn", kind: "status", status: 403, body: "expired", times: 1 });
  const stream = clientOf(registry).openBlob(descriptorOf(added), OPEN);
  expect((await readStream(stream)).equals(bytes)).toBe(true);
  expect(registry.requests.map(({ at, range }) => `${at} ${range}`)).toEqual([
    "registry undefined",
    "cdn undefined",
    "registry bytes=4000-",
    "cdn bytes=4000-",
    "registry bytes=4000-",
    "cdn bytes=4000-",
  ]);
});
