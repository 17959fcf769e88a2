import { once } from "node:events";
import { createServer as createHttpServer } from "node:http";
import type { Server } from "node:net";
import type { TLSSocket } from "node:tls";
import { createServer as createTlsServer } from "node:tls";
import { expect, onTestFinished, test } from "vitest";
import { DEFAULT_TIMING } from "../../src/registry/request-timing.ts";
import { RegistryEndpoint } from "../../src/registry/registry-endpoint.ts";
import { RetryState } from "../../src/registry/retry-plan.ts";
import { testClient } from "../support/registry-pull.ts";
import { selfSignedCertificate } from "../support/self-signed-certificate.ts";

const { signal } = new AbortController();
const MANIFEST = '{"schemaVersion":2}';

async function portOf(server: Server, address: string): Promise<number> {
  server.listen(0, address);
  await once(server, "listening");
  onTestFinished(() => void server.close());
  const bound = server.address();
  if (typeof bound !== "object" || bound === null) throw new Error("no port was bound");
  return bound.port;
}

async function manifestFrom(host: string, plainHttp: boolean): Promise<string> {
  const client = testClient(`${host}/team/app:1`, { plainHttp });
  onTestFinished(() => client.close());
  return Buffer.from((await client.fetchRoot(signal)).bytes).toString();
}

/** What TLS clients say before they say anything else. */
async function hellosTo(
  name: string,
): Promise<readonly Pick<TLSSocket, "alpnProtocol" | "servername">[]> {
  const { certificatePem: cert, keyPem: key } = selfSignedCertificate({ names: [name] });
  const hellos: Pick<TLSSocket, "alpnProtocol" | "servername">[] = [];
  const server = createTlsServer({ cert, key, ALPNProtocols: ["h2", "http/1.1"] }, (socket) => {
    const { alpnProtocol, servername } = socket;
    hellos.push({ alpnProtocol, servername });
    socket.on("error", () => undefined);
    socket.once("data", () => {
      socket.end(`HTTP/1.1 200 OK\r\ncontent-length: ${MANIFEST.length}\r\n\r\n${MANIFEST}`);
    });
  });
  const port = await portOf(server, "127.0.0.1");
  expect(await manifestFrom(`${name}:${port}`, false)).toBe(MANIFEST);
  return hellos.slice(-1);
}

test("CONN-2, TLS-5: HTTP/1.1 even where h2 is offered, and the name of the host goes with the handshake", async () => {
  const [hello] = await hellosTo("localhost");
  expect(hello?.servername).toBe("localhost");
  expect(hello?.alpnProtocol).not.toBe("h2");
});

test("TLS-5: an address is no name to send", async () => {
  const [hello] = await hellosTo("127.0.0.1");
  expect(hello?.servername).toBe(false);
});

test.each([
  ["localhost", "127.0.0.1"],
  ["127.0.0.1", "127.0.0.1"],
  ["[::1]", "::1"],
])("CONN-4, CONN-6: %s is reached at %s", async (name, address) => {
  const server = createHttpServer((_, response) => void response.end(MANIFEST));
  const port = await portOf(server, address);
  expect(await manifestFrom(`${name}:${port}`, true)).toBe(MANIFEST);
});

test("CONN-5: early hints before the answer are passed over", async () => {
  const server = createHttpServer((_, response) => {
    response.writeEarlyHints({ link: "</x>; rel=preload" });
    response.end(MANIFEST);
  });
  const port = await portOf(server, "127.0.0.1");
  expect(await manifestFrom(`127.0.0.1:${port}`, true)).toBe(MANIFEST);
});

test.each([
  "registry.example.com",
  "registry.example.com:5000",
  "10.0.0.5:5000",
  "host.docker.internal:5000",
])(
  "TLS-7: %s is spoken to in https, and nobody asks whether it would take less",
  async (apiHost) => {
    const endpoint = new RegistryEndpoint({
      host: { apiHost, scheme: undefined, basePath: "/v2", query: "", insecure: false },
      env: {},
      retries: new RetryState(DEFAULT_TIMING, () => undefined),
      reference: `${apiHost}/team/app:1`,
    });
    expect((await endpoint.target("/team/app/manifests/1", signal)).origin).toBe(
      `https://${apiHost}`,
    );
  },
);
