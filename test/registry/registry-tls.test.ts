import { mkdirSync, writeFileSync } from "node:fs";
import type { ServerResponse } from "node:http";
import { createServer as createHttpServer } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { connect, createServer } from "node:net";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import type { ImportError } from "../../src/errors.ts";
import { importErrorFrom } from "../support/import-error.ts";
import type { ClientSetup } from "../support/registry-pull.ts";
import { testClient } from "../support/registry-pull.ts";
import { scratchDirectory } from "../support/scratch.ts";
import { selfSignedCertificate } from "../support/self-signed-certificate.ts";
import { startedRegistry } from "../support/started-registry.ts";
import type { TestRegistry } from "../support/test-registry/test-registry.ts";

const MANIFEST = Buffer.from('{"schemaVersion":2}');
const { signal } = new AbortController();
/** The type of a record that holds a handshake (RFC 8446, 5.1). */
const TLS_HELLO = 0x16;
const NAMES = ["registry.test", "127.0.0.1", "localhost"];

async function fetchFrom(host: string, setup: ClientSetup): Promise<Uint8Array> {
  const client = testClient(`${host}/team/app:1`, setup);
  try {
    return (await client.fetchRoot(signal)).bytes;
  } finally {
    await client.close();
  }
}

async function registryWith(options: Parameters<typeof startedRegistry>[0]): Promise<TestRegistry> {
  const registry = await startedRegistry(options);
  registry.addManifest("team/app", "1", MANIFEST, "application/vnd.oci.image.manifest.v1+json");
  return registry;
}

/** An environment whose certs.d has this authority for the host (TLS-2). */
function environmentWithAuthority(host: string, pem: string | undefined): Record<string, string> {
  const home = scratchDirectory();
  const folder = join(home, ".config/containers/certs.d", host);
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "ca.crt"), pem ?? "");
  return { HOME: home };
}

test("a registry on loopback may speak https with any certificate, or plain http: it is asked once", async () => {
  for (const tls of [true, false]) {
    const registry = await registryWith({ tls });
    const client = testClient(`${registry.host}/team/app:1`);
    onTestFinished(() => client.close());
    const contents = await Promise.all([client.fetchRoot(signal), client.fetchRoot(signal)]);
    expect(contents.map(({ bytes }) => Buffer.from(bytes))).toEqual([MANIFEST, MANIFEST]);
  }
});

test.each(["reset", "close"] as const)(
  "a handshake that ends in a %s does not make a registry on loopback one that speaks plain http",
  async (how) => {
    const registry = await registryWith({ tls: true, connectionFaults: true });
    registry.faults.add({ on: "registry connection", kind: "hang-up", how, times: 1 });
    expect(await fetchFrom(registry.host, {})).toEqual(MANIFEST);
  },
);

test("garbage for a handshake does not make a registry on loopback one that speaks plain http", async () => {
  const registry = await registryWith({ tls: true, connectionFaults: true });
  const bytes = Buffer.from([0x80, ...Array(60).fill(7)]);
  const garbage = { on: "registry connection", kind: "speak", bytes } as const;
  registry.faults.add({ ...garbage, times: 1 });
  expect(await fetchFrom(registry.host, {})).toEqual(MANIFEST);
  registry.faults.add(garbage);
  expect((await importErrorFrom(fetchFrom(registry.host, {}))).code).toBe("ERR_TLS");
});

test("a registry on loopback that hangs up on TLS is asked in plain http", async () => {
  const registry = await registryWith({});
  const { hostname, port } = new URL(registry.url);
  const server = createServer((socket) => {
    socket.on("error", () => undefined);
    socket.once("data", (hello) => {
      if (hello[0] === TLS_HELLO) socket.resetAndDestroy();
      else {
        const behind = connect(Number(port), hostname);
        behind.on("error", () => socket.destroy());
        behind.write(hello);
        socket.pipe(behind).pipe(socket);
      }
    });
  });
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  onTestFinished(() => {
    server.close();
  });
  expect(await fetchFrom(`127.0.0.1:${portOf(server.address())}`, {})).toEqual(MANIFEST);
});

test("with an authority in certs.d, a registry on loopback must be the one that it vouches for", async () => {
  const registry = await registryWith({ tls: true });
  const right = environmentWithAuthority(registry.host, registry.certificatePem);
  expect(await fetchFrom(registry.host, { env: right })).toEqual(MANIFEST);
  const other = selfSignedCertificate({ names: NAMES }).certificatePem;
  const wrong = environmentWithAuthority(registry.host, other);
  const error = await importErrorFrom(fetchFrom(registry.host, { env: wrong }));
  expect(error).toMatchObject({
    code: "ERR_TLS",
    message: expect.stringContaining("its certificate is self-signed"),
    hint: expect.stringContaining("--insecure"),
  });
  expect(await fetchFrom(registry.host, { env: wrong, insecure: true })).toEqual(MANIFEST);
});

test("certs.d is found whatever the case of the host", async () => {
  const registry = await registryWith({ tls: true });
  const host = registry.host.replace("127.0.0.1", "localhost");
  const other = selfSignedCertificate({ names: NAMES }).certificatePem;
  for (const [folder, asked] of [
    [host, host.toUpperCase()],
    [host.toUpperCase(), host],
  ] as const) {
    const right = environmentWithAuthority(folder, registry.certificatePem);
    expect(await fetchFrom(asked, { env: right })).toEqual(MANIFEST);
    const wrong = environmentWithAuthority(folder, other);
    expect((await importErrorFrom(fetchFrom(asked, { env: wrong }))).code).toBe("ERR_TLS");
  }
});

test("an expired certificate and one for other names are refused with the reason", async () => {
  const day = 86_400_000;
  const past = selfSignedCertificate({
    names: NAMES,
    notBefore: new Date(Date.now() - 3 * day),
    notAfter: new Date(Date.now() - day),
  });
  const elsewhere = selfSignedCertificate({ names: ["elsewhere.test"] });
  const messages: string[] = [];
  for (const tls of [past, elsewhere]) {
    const registry = await registryWith({ tls });
    const env = environmentWithAuthority(registry.host, tls.certificatePem);
    const error = await importErrorFrom(fetchFrom(registry.host, { env }));
    expect(error.code).toBe("ERR_TLS");
    messages.push(error.message.replace(registry.host, "HOST"));
  }
  expect(messages).toEqual([
    "HOST: its certificate has expired",
    "HOST: its certificate is for other names (DNS:elsewhere.test)",
  ]);
});

test("half a client certificate in certs.d is named", async () => {
  const registry = await registryWith({ tls: true });
  const env = environmentWithAuthority(registry.host, registry.certificatePem);
  const folder = join(env["HOME"] ?? "", ".config/containers/certs.d", registry.host);
  writeFileSync(join(folder, "client.cert"), "");
  const error = await importErrorFrom(fetchFrom(registry.host, { env }));
  expect(error.code).toBe("ERR_CONFIG_INVALID");
  expect(error.message).toContain("client.cert has no client.key beside it");
});

interface Proxy {
  readonly url: string;
  readonly asked: string[];
}

async function forward(url: string, response: ServerResponse): Promise<void> {
  try {
    const answer = await fetch(url, { headers: { accept: "*/*" } });
    const type = answer.headers.get("content-type") ?? "";
    response.writeHead(answer.status, { "content-type": type });
    response.end(Buffer.from(await answer.arrayBuffer()));
  } catch {
    response.destroy();
  }
}

/** An http proxy that takes every name for the registry, so that names which nobody can look up work in a test. */
async function proxyTo(registry: TestRegistry, refusal?: string): Promise<Proxy> {
  const asked: string[] = [];
  const port = Number(registry.host.split(":")[1]);
  const sockets = new Set<Socket>();
  const server = createHttpServer((request, response) => {
    asked.push(`${request.method} ${request.url}`);
    if (refusal !== undefined) {
      response.writeHead(Number(refusal.slice(0, 3))).end();
      return;
    }
    const path = (request.url ?? "").replace(/^http:\/\/[^/]*/, "");
    void forward(registry.url + path, response);
  });
  server.on("connect", (request, socket: Socket) => {
    asked.push(`CONNECT ${request.url} ${request.headers["proxy-authorization"] ?? ""}`.trim());
    sockets.add(socket);
    if (refusal !== undefined) {
      socket.end(`HTTP/1.1 ${refusal}\r\n\r\n`);
      return;
    }
    const there = connect(port, "127.0.0.1", () => {
      socket.write("HTTP/1.1 200 Connected\r\n\r\n");
      there.pipe(socket).pipe(there);
    });
    sockets.add(there);
    for (const end of [socket, there]) end.on("error", () => end.destroy());
  });
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the proxy has no port");
  return { url: `http://alice:fake%20pw@127.0.0.1:${address.port}`, asked };
}

test("https goes through a proxy's tunnel, and is verified against the system's authorities", async () => {
  const certificate = selfSignedCertificate({ names: NAMES });
  const registry = await registryWith({ tls: certificate });
  const proxy = await proxyTo(registry);
  const file = join(scratchDirectory(), "ca.pem");
  writeFileSync(file, certificate.certificatePem);
  const env = { HTTPS_PROXY: proxy.url, SSL_CERT_FILE: file };
  expect(await fetchFrom("registry.test", { env })).toEqual(MANIFEST);
  const login = Buffer.from("alice:fake pw").toString("base64");
  expect(proxy.asked).toEqual([`CONNECT registry.test:443 Basic ${login}`]);
  const unknown = await importErrorFrom(
    fetchFrom("registry.test", { env: { HTTPS_PROXY: proxy.url } }),
  );
  expect(unknown.code).toBe("ERR_TLS");
});

test("plain http is handed to the proxy whole", async () => {
  const registry = await registryWith({});
  const proxy = await proxyTo(registry);
  const env = { HTTP_PROXY: proxy.url };
  expect(await fetchFrom("registry.test", { env, plainHttp: true })).toEqual(MANIFEST);
  expect(proxy.asked).toEqual(["GET http://registry.test/v2/team/app/manifests/1"]);
});

test("a proxy that wants another login, or does not connect us, is named without its password", async () => {
  const registry = await registryWith({ tls: true });
  const errors: ImportError[] = [];
  for (const refusal of ["407 Proxy Authentication Required", "403 Forbidden"]) {
    const proxy = await proxyTo(registry, refusal);
    const env = { HTTPS_PROXY: proxy.url };
    errors.push(await importErrorFrom(fetchFrom("registry.test", { env })));
  }
  expect(errors.map(({ code }) => code)).toEqual(["ERR_AUTH_DENIED", "ERR_NETWORK"]);
  for (const { message } of errors) {
    expect(message).toMatch(/^127\.0\.0\.1:\d+ does not connect us to registry\.test/);
    expect(message).not.toContain("fake");
  }
});

test("a proxy that wants another login for plain http is named too", async () => {
  const registry = await registryWith({});
  const proxy = await proxyTo(registry, "407 Proxy Authentication Required");
  const env = { HTTP_PROXY: proxy.url };
  const error = await importErrorFrom(fetchFrom("registry.test", { env, plainHttp: true }));
  expect(error.code).toBe("ERR_AUTH_DENIED");
  expect(error.message).toMatch(/^127\.0\.0\.1:\d+ does not connect us to registry\.test/);
  expect(error.message).not.toContain("fake");
});

test("a refused connection and a server that is no web server say what is wrong", async () => {
  const closed = createServer();
  await new Promise<void>((resolve) => {
    closed.listen(0, "127.0.0.1", resolve);
  });
  const port = portOf(closed.address());
  await new Promise((resolve) => closed.close(resolve));
  const timing = { attempts: 2 };
  const refused = await importErrorFrom(fetchFrom(`127.0.0.1:${port}`, { timing }));
  expect(refused).toMatchObject({
    code: "ERR_NETWORK",
    message: expect.stringContaining(`the connection was refused (127.0.0.1:${port})`),
  });
  const banner = createServer((socket) => {
    socket.on("error", () => socket.destroy());
    socket.once("data", () => socket.end("220 mail.test ESMTP\r\n"));
  });
  await new Promise<void>((resolve) => {
    banner.listen(0, "127.0.0.1", resolve);
  });
  onTestFinished(() => {
    banner.close();
  });
  const host = `127.0.0.1:${portOf(banner.address())}`;
  const odd = await importErrorFrom(fetchFrom(host, { plainHttp: true, timing }));
  expect(odd.code).toBe("ERR_REGISTRY_PROTOCOL");
});

function portOf(address: AddressInfo | string | null): number {
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}

test("https that is answered in plain http says so", async () => {
  const registry = await registryWith({});
  const proxy = await proxyTo(registry);
  const env = { HTTPS_PROXY: proxy.url };
  const error = await importErrorFrom(fetchFrom("registry.test", { env }));
  expect(error).toMatchObject({
    code: "ERR_TLS",
    message:
      "registry.test (through the proxy " +
      `${proxy.url.split("@")[1]}) speaks plain http, not https`,
    hint: expect.stringContaining("--plain-http"),
  });
});
