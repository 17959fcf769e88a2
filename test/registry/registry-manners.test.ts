import { expect, onTestFinished, test } from "vitest";
import type { RouteWarning } from "../../src/registry/host-route.ts";
import type { RegistryClient } from "../../src/registry/registry-client.ts";
import { descriptorOf, readStream, testClient } from "../support/registry-pull.ts";
import { digestText } from "../support/digest-text.ts";
import type { ScriptedAnswer, ScriptedRequest } from "../support/test-registry/scripted-server.ts";
import { startScriptedServer } from "../support/test-registry/scripted-server.ts";

const { signal } = new AbortController();
const MANIFEST = Buffer.from('{"schemaVersion":2}');
const BLOB = Buffer.from("the bytes of a layer");
const LAYER = descriptorOf({ digest: digestText(BLOB), sizeBytes: BLOB.length });
const LAYER_OPTIONS = { signal, fresh: false, what: "the layer" };

interface Served {
  readonly client: RegistryClient;
  readonly origin: string;
  readonly seen: readonly ScriptedRequest[];
  readonly warnings: readonly RouteWarning[];
}

/** A client of a server that answers manifests and blobs, each with what `more` adds. */
async function served(
  more: (request: ScriptedRequest) => Partial<ScriptedAnswer>,
): Promise<Served> {
  const seen: ScriptedRequest[] = [];
  const warnings: RouteWarning[] = [];
  const server = await startScriptedServer((request) => {
    seen.push(request);
    const body = request.path.includes("/blobs/") ? BLOB : MANIFEST;
    return { status: 200, headers: {}, body, transfer: "length", end: "clean", ...more(request) };
  });
  onTestFinished(() => server.close());
  const client = testClient(`${server.origin.replace("http://", "")}/team/app:1`, {
    plainHttp: true,
    onWarning: (warning) => warnings.push(warning),
    login: { kind: "basic", username: "alice", password: "fake-password" },
  });
  onTestFinished(() => client.close());
  return { client, origin: server.origin, seen, warnings };
}

test("PING-1, PING-2: the first request is the manifest's, and no header of an API version is missed", async () => {
  const { client, seen } = await served(() => ({}));
  expect((await client.fetchRoot(signal)).bytes).toEqual(MANIFEST);
  expect(seen.map(({ method, path }) => `${method} ${path}`)).toEqual([
    "GET /v2/team/app/manifests/1",
  ]);
});

test("PING-4: cookies are not kept", async () => {
  const { client, seen } = await served(() => ({ headers: { "set-cookie": "lb=1; Path=/" } }));
  await client.fetchRoot(signal);
  await readStream(client.openBlob(LAYER, LAYER_OPTIONS));
  expect(seen).toHaveLength(2);
  expect(seen.filter(({ headers }) => headers.has("cookie"))).toEqual([]);
});

test("BLOB-1, BLOB-14: a blob is one GET under the repository of the reference", async () => {
  const { client, seen } = await served(() => ({}));
  expect(await readStream(client.openBlob(LAYER, LAYER_OPTIONS))).toEqual(BLOB);
  expect(seen.map(({ method, path }) => `${method} ${path}`)).toEqual([
    `GET /v2/team/app/blobs/${LAYER.digest.text}`,
  ]);
});

test("BLOB-8: a resume asks for a range, and not on a condition", async () => {
  let requests = 0;
  const { client, seen } = await served(({ headers }) => {
    requests += 1;
    if (requests === 1) {
      return {
        headers: { etag: '"a"' },
        body: BLOB.subarray(0, 5),
        contentLength: 20,
        end: "early",
      };
    }
    expect(headers.get("range")).toBe("bytes=5-");
    const range = { "content-range": `bytes 5-${BLOB.length - 1}/${BLOB.length}` };
    return { status: 206, headers: range, body: BLOB.subarray(5) };
  });
  expect(await readStream(client.openBlob(LAYER, LAYER_OPTIONS))).toEqual(BLOB);
  expect(seen.filter(({ headers }) => headers.has("if-range"))).toEqual([]);
  expect(seen).toHaveLength(2);
});

test("RED-3, CRED-12: back on the registry's origin a redirect carries the login again, elsewhere never", async () => {
  const elsewhere: ScriptedRequest[] = [];
  let back = "";
  const other = await startScriptedServer((request) => {
    elsewhere.push(request);
    const headers = { location: back };
    return { status: 307, headers, body: Buffer.from(""), transfer: "length", end: "clean" };
  });
  onTestFinished(() => other.close());
  const { client, origin, seen } = await served(({ path, headers }) => {
    if (!headers.has("authorization")) {
      return { status: 401, headers: { "www-authenticate": 'Basic realm="x"' } };
    }
    return path === "/there" ? {} : { status: 307, headers: { location: `${other.origin}/here` } };
  });
  back = `${origin}/there`;
  await client.fetchRoot(signal);
  expect(elsewhere.map(({ headers }) => headers.has("authorization"))).toEqual([false]);
  expect(seen.at(-1)?.path).toBe("/there");
  expect(seen.at(-1)?.headers.get("authorization")).toMatch(/^Basic /);
});

test("CONN-5: headers of 24 KiB are read, more are refused with a reason", async () => {
  const long = await served(() => ({ headers: { "x-long": "x".repeat(24 * 1024) } }));
  expect((await long.client.fetchRoot(signal)).bytes).toEqual(MANIFEST);
  const longer = await served(() => ({ headers: { "x-long": "x".repeat(40 * 1024) } }));
  await expect(longer.client.fetchRoot(signal)).rejects.toMatchObject({
    code: "ERR_REGISTRY_PROTOCOL",
  });
});

test("CONN-7: what the registry warns of is told once, however often it says so", async () => {
  const { client, warnings } = await served(() => ({
    headers: { warning: '299 - "this repository moves on Friday"' },
  }));
  await client.fetchRoot(signal);
  await readStream(client.openBlob(LAYER, LAYER_OPTIONS));
  expect(warnings).toEqual([
    {
      code: "registry_warning",
      message: expect.stringMatching(/^127\.0\.0\.1:\d+ says: "this repository moves on Friday"$/),
    },
  ]);
});
