import { createServer, type Server, type Socket } from "node:net";
import { afterEach, expect, onTestFinished, test } from "vitest";
import { requireDigest } from "../../src/oci/digest.ts";
import {
  DEFAULT_TIMING,
  timingFor,
  type RequestTiming,
} from "../../src/registry/request-timing.ts";
import { readStream, testClient } from "../support/registry-pull.ts";
import { startScriptedServer } from "../support/test-registry/scripted-server.ts";

// A server that keeps an import waiting for ever, at every place where it is waited for: a byte every now and then, or
// none at all. The clocks are short here; what is looked at is that each place has one.

const TIMING: Partial<RequestTiming> = {
  connectMs: 150,
  firstByteMs: 300,
  firstBlobByteMs: 300,
  stallMs: 300,
  minRateWindowMs: 400,
  attempts: 2,
  baseDelayMs: 2,
  maxDelayMs: 5,
};
const SIGNAL = new AbortController().signal;
const DIGEST = `sha256:${"a".repeat(64)}`;
const TIMEOUT = { code: "ERR_TIMEOUT" };

/** Everything that a server here says, byte by byte. */
const TEXT = Buffer.from("HTTP/1.1 200 OK\r\nx-slow: ".padEnd(4000, "z"));

const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

/** A server that treats each connection as it is told. @returns host:port */
async function listen(onSocket: (socket: Socket) => void): Promise<string> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {
      // The client gives up: that is what is wanted.
    });
    onSocket(socket);
  });
  servers.push(server);
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
  });
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the server has no port");
  return `127.0.0.1:${address.port}`;
}

function trickle(socket: Socket, bytes: Uint8Array, everyMs = 50): void {
  let at = 0;
  const timer = setInterval(() => {
    if (at < bytes.length) socket.write(bytes.subarray(at, ++at));
  }, everyMs);
  socket.on("close", () => clearInterval(timer));
}

function pull(host: string, more: Partial<Parameters<typeof testClient>[1]> = {}) {
  const client = testClient(`${host}/app:1`, { plainHttp: true, timing: TIMING, ...more });
  onTestFinished(() => client.close());
  return client;
}

const OK = { status: 200, headers: {}, transfer: "length", end: "clean" } as const;
const SLOW_BODY = { ...OK, body: Buffer.alloc(2000, " "), end: "slow" } as const;

test("a host that trickles the headers of its answer", async () => {
  const host = await listen((socket) => socket.once("data", () => trickle(socket, TEXT)));
  await expect(pull(host).fetchRoot(SIGNAL)).rejects.toMatchObject(TIMEOUT);
});

test("a host that says early hints for ever", async () => {
  const hints = Buffer.from("HTTP/1.1 103 Early Hints\r\n\r\n");
  const host = await listen((socket) => {
    socket.once("data", () => {
      const timer = setInterval(() => socket.write(hints), 20);
      socket.on("close", () => clearInterval(timer));
    });
  });
  await expect(pull(host).fetchRoot(SIGNAL)).rejects.toMatchObject(TIMEOUT);
});

test("a manifest, a config and a blob that trickle", async () => {
  const server = await startScriptedServer(() => SLOW_BODY);
  onTestFinished(() => server.close());
  const client = pull(new URL(server.origin).host);
  const descriptor = {
    mediaType: "application/vnd.oci.image.layer.v1.tar",
    digest: requireDigest(DIGEST, "the test's blob"),
    sizeBytes: 2000,
  };
  await expect(client.fetchRoot(SIGNAL)).rejects.toMatchObject(TIMEOUT);
  await expect(client.fetchConfig(descriptor, SIGNAL)).rejects.toMatchObject(TIMEOUT);
  const blob = client.openBlob(descriptor, { signal: SIGNAL, fresh: false, what: "the blob" });
  await expect(readStream(blob)).rejects.toMatchObject(TIMEOUT);
});

test("an answer to a token request that trickles", async () => {
  const server = await startScriptedServer(({ path }) => {
    if (path.startsWith("/token")) return SLOW_BODY;
    const challenge = `Bearer realm="${server.origin}/token",service="s"`;
    return {
      ...OK,
      status: 401,
      headers: { "www-authenticate": challenge },
      body: Buffer.alloc(0),
    };
  });
  onTestFinished(() => server.close());
  await expect(pull(new URL(server.origin).host).fetchRoot(SIGNAL)).rejects.toMatchObject(TIMEOUT);
});

test("the error body of a refusal that trickles is given up, and the refusal stands", async () => {
  const server = await startScriptedServer(() => ({ ...SLOW_BODY, status: 403 }));
  onTestFinished(() => server.close());
  await expect(pull(new URL(server.origin).host).fetchRoot(SIGNAL)).rejects.toMatchObject({
    code: "ERR_AUTH_REQUIRED",
  });
});

test("the target of a redirect that trickles, headers or body", async () => {
  const slowHeaders = await listen((socket) => socket.once("data", () => trickle(socket, TEXT)));
  const slowBody = await startScriptedServer(() => SLOW_BODY);
  onTestFinished(() => slowBody.close());
  for (const target of [`http://${slowHeaders}`, slowBody.origin]) {
    const headers = { location: `${target}/data` };
    const server = await startScriptedServer(() => ({
      ...OK,
      status: 307,
      headers,
      body: Buffer.alloc(0),
    }));
    onTestFinished(() => server.close());
    const host = new URL(server.origin).host;
    await expect(pull(host).fetchRoot(SIGNAL)).rejects.toMatchObject(TIMEOUT);
  }
});

test("a TLS handshake that never comes, or trickles", async () => {
  // The head of a record that promises a handshake message of 4000 bytes.
  const record = Buffer.concat([
    Buffer.from([22, 3, 3, 15, 160, 2, 0, 15, 156]),
    Buffer.alloc(3991),
  ]);
  for (const speak of [() => undefined, (socket: Socket) => trickle(socket, record)]) {
    const host = await listen(speak);
    const env = { HTTPS_PROXY: "", HOME: "/nonexistent" };
    // By a mirror's URL, whose scheme is kept to: on loopback the scheme would be probed.
    const client = pull(host, { plainHttp: false, env, hosts: httpsHost(host) });
    await expect(client.fetchRoot(SIGNAL)).rejects.toMatchObject(TIMEOUT);
  }
});

test("a proxy that does not answer CONNECT, or trickles its answer, or connects us to nobody", async () => {
  const established = Buffer.from("HTTP/1.1 200 Connection established\r\n\r\n");
  const ways: readonly ((socket: Socket) => void)[] = [
    () => undefined,
    (socket) => trickle(socket, TEXT),
    (socket) => void socket.write(established),
  ];
  for (const way of ways) {
    const proxy = await listen((socket) => socket.once("data", () => way(socket)));
    const env = { HTTPS_PROXY: `http://${proxy}` };
    const client = pull("registry.invalid", { plainHttp: false, env });
    await expect(client.fetchRoot(SIGNAL)).rejects.toMatchObject(TIMEOUT);
    await client.close();
  }
}, 60_000);

test("one option scales all clocks, and the defaults keep their proportions", () => {
  const { connectMs, firstByteMs, firstBlobByteMs, stallMs, minRateWindowMs } = DEFAULT_TIMING;
  const clocks = { connectMs, firstByteMs, firstBlobByteMs, stallMs, minRateWindowMs };
  expect(timingFor({ stallMs: DEFAULT_TIMING.stallMs })).toEqual(clocks);
  expect(timingFor({ retries: DEFAULT_TIMING.attempts - 1 })).toEqual({
    attempts: DEFAULT_TIMING.attempts,
  });
  expect(timingFor({ stallMs: 120_000 })).toMatchObject({ connectMs, stallMs: 120_000 });
});

function httpsHost(host: string) {
  const registry = {
    name: host,
    apiHost: host,
    scheme: "https",
    basePath: "/v2",
    repository: "app",
    query: "",
    insecure: false,
    byTag: true,
    byDigest: true,
    headers: {},
    certificates: { authorities: [], clientPairs: [] },
  } as const;
  return { mirrors: [], registry };
}
