import { gzipSync } from "node:zlib";
import { expect, onTestFinished, test } from "vitest";
import { DEFAULT_LIMITS } from "../../src/limits.ts";
import type { RegistryClient } from "../../src/registry/registry-client.ts";
import { digestText } from "../support/digest-text.ts";
import { importErrorFrom } from "../support/import-error.ts";
import type { ClientSetup } from "../support/registry-pull.ts";
import { descriptorOf, testClient } from "../support/registry-pull.ts";
import { startedRegistry } from "../support/started-registry.ts";
import type { ScriptedAnswer, ScriptedRequest } from "../support/test-registry/scripted-server.ts";
import { startScriptedServer } from "../support/test-registry/scripted-server.ts";

const { signal } = new AbortController();
const MANIFEST = Buffer.from('{"schemaVersion":2}');
const DIGEST = digestText(MANIFEST);

interface Scripted {
  readonly client: RegistryClient;
  readonly seen: ScriptedRequest[];
  readonly host: string;
}

/** A client of a server that gives these answers in turn, and then the last one. */
async function scripted(
  answers: readonly Partial<ScriptedAnswer>[],
  setup: ClientSetup & { readonly suffix?: string } = {},
): Promise<Scripted> {
  const seen: ScriptedRequest[] = [];
  const server = await startScriptedServer((request) => {
    seen.push(request);
    const answer = answers[Math.min(seen.length, answers.length) - 1];
    return {
      status: 200,
      headers: {},
      body: MANIFEST,
      transfer: "length",
      end: "clean",
      ...answer,
    };
  });
  onTestFinished(() => server.close());
  const host = server.origin.replace("http://", "");
  const { suffix = ":1", ...options } = setup;
  const client = testClient(`${host}/team/app${suffix}`, { plainHttp: true, ...options });
  onTestFinished(() => client.close());
  return { client, seen, host };
}

const html = { headers: { "content-type": "text/html" }, body: Buffer.from("<html>hi</html>") };

test("a manifest is asked for with all four types, uncoded, and with our own name", async () => {
  const { client, seen } = await scripted([{ headers: { "content-type": "x/y; charset=a" } }]);
  expect(await client.fetchRoot(signal)).toEqual({
    bytes: MANIFEST,
    mediaType: "x/y; charset=a",
  });
  expect(seen).toHaveLength(1);
  expect(seen[0]?.path).toBe("/v2/team/app/manifests/1");
  expect(Object.fromEntries(seen[0]?.headers ?? [])).toMatchObject({
    accept:
      "application/vnd.oci.image.index.v1+json, application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json, */*;q=0.1",
    "accept-encoding": "identity",
    "user-agent": expect.stringMatching(/^rootlift\/test \(\+node\/[\d.]+; \w+\/\w+\)$/),
  });
});

test("a digest decides what is pulled, and the bytes must have it", async () => {
  const right = await scripted([{}], { suffix: `:1@${DIGEST}` });
  expect((await right.client.fetchRoot(signal)).bytes).toEqual(MANIFEST);
  expect(right.seen[0]?.path).toBe(`/v2/team/app/manifests/${DIGEST}`);
  const wrong = await scripted([{ body: Buffer.from("{}") }], { suffix: `@${DIGEST}` });
  expect(await importErrorFrom(wrong.client.fetchRoot(signal))).toMatchObject({
    code: "ERR_DIGEST_MISMATCH",
    message: expect.stringContaining(`expected ${DIGEST}, got sha256:44136fa3`),
  });
  expect(wrong.seen.map(({ headers }) => headers.get("cache-control"))).toEqual([
    undefined,
    "no-cache",
  ]);
});

test("a tag's manifest must have the digest that the registry announces, of any algorithm we know", async () => {
  const good = [DIGEST, digestText(MANIFEST, "sha512"), `blake3:${"a".repeat(64)}`];
  for (const announced of good) {
    const { client } = await scripted([{ headers: { "docker-content-digest": announced } }]);
    expect((await client.fetchRoot(signal)).bytes).toEqual(MANIFEST);
  }
  const bad = [
    [`sha256:${"0".repeat(64)}`, "ERR_DIGEST_MISMATCH"],
    ["sha256:short", "ERR_REGISTRY_PROTOCOL"],
  ] as const;
  for (const [announced, code] of bad) {
    const { client } = await scripted([{ headers: { "docker-content-digest": announced } }]);
    expect((await importErrorFrom(client.fetchRoot(signal))).code).toBe(code);
  }
});

test("a manifest larger than the limit is dropped, by its length or by its count", async () => {
  const limits = { ...DEFAULT_LIMITS, manifestBytes: 100 };
  for (const transfer of ["length", "chunked"] as const) {
    const big = { transfer, body: Buffer.alloc(101, "1") };
    const { client, seen } = await scripted([big], { limits });
    expect(await importErrorFrom(client.fetchRoot(signal))).toMatchObject({
      code: "ERR_MANIFEST_INVALID",
      message: expect.stringContaining("has more than 100 bytes"),
    });
    expect(seen).toHaveLength(1);
  }
});

test("an HTML page, an empty answer and a cut one are asked for once more", async () => {
  const bad = [
    [html, "ERR_REGISTRY_PROTOCOL"],
    [{ body: Buffer.alloc(0) }, "ERR_MANIFEST_INVALID"],
    [{ body: MANIFEST.subarray(0, 9) }, "ERR_MANIFEST_INVALID"],
  ] as const;
  for (const [answer, code] of bad) {
    const passing = await scripted([answer, {}]);
    expect((await passing.client.fetchRoot(signal)).bytes).toEqual(MANIFEST);
    const lasting = await scripted([answer]);
    expect((await importErrorFrom(lasting.client.fetchRoot(signal))).code).toBe(code);
    expect(lasting.seen).toHaveLength(2);
  }
});

test("an HTML 404 of a host that is no registry says so; of a registry it is a missing image", async () => {
  const site = await scripted([{ ...html, status: 404 }]);
  expect(await importErrorFrom(site.client.fetchRoot(signal))).toMatchObject({
    code: "ERR_REGISTRY_PROTOCOL",
    message: expect.stringContaining("is it a registry?"),
  });
  expect(site.seen.map(({ path }) => path)).toEqual(["/v2/team/app/manifests/1", "/v2/"]);
  const registry = await scripted([{ ...html, status: 404 }, { body: Buffer.from("{}") }]);
  expect((await importErrorFrom(registry.client.fetchRoot(signal))).code).toBe(
    "ERR_IMAGE_NOT_FOUND",
  );
});

test("a manifest that a proxy has gzipped is what it was before", async () => {
  const coded = { headers: { "content-encoding": "gzip" }, body: gzipSync(MANIFEST) };
  const { client } = await scripted([coded], { suffix: `@${DIGEST}` });
  expect((await client.fetchRoot(signal)).bytes).toEqual(MANIFEST);
});

test("a manifest that a gzip coding blows up beyond the limit is named as too large", async () => {
  const body = gzipSync(Buffer.alloc(64 << 20, " "));
  const { client } = await scripted([{ headers: { "content-encoding": "gzip" }, body }]);
  expect(await importErrorFrom(client.fetchRoot(signal))).toMatchObject({
    code: "ERR_MANIFEST_INVALID",
    message: expect.stringMatching(/has more than 4194304 bytes$/),
  });
});

test("manifests follow redirects too, and an error after one names both hosts", async () => {
  const elsewhere = await startScriptedServer(() => ({
    status: 500,
    headers: {},
    body: Buffer.from("no"),
    transfer: "length",
    end: "clean",
  }));
  onTestFinished(() => elsewhere.close());
  const location = `${elsewhere.origin}/x?sig=fake-signature`;
  const { client, host } = await scripted([{ status: 302, headers: { location } }], {
    timing: { attempts: 2 },
  });
  const error = await importErrorFrom(client.fetchRoot(signal));
  expect(error).toMatchObject({
    code: "ERR_REGISTRY_UNAVAILABLE",
    message: expect.stringContaining(`${host}, then ${elsewhere.origin.replace("http://", "")}`),
  });
  expect(JSON.stringify([error.message, error.hint, error.details])).not.toContain(
    "fake-signature",
  );
});

test("a config comes from the blobs, within its limit, and must have its digest", async () => {
  const registry = await startedRegistry();
  const added = await registry.addBlob(MANIFEST);
  const client = testClient(`${registry.host}/team/app:1`, { plainHttp: true });
  onTestFinished(() => client.close());
  expect(Buffer.from(await client.fetchConfig(descriptorOf(added), signal))).toEqual(MANIFEST);
  registry.faults.add({ on: "blob", kind: "flip", atByte: 3, times: 1 });
  expect(Buffer.from(await client.fetchConfig(descriptorOf(added), signal))).toEqual(MANIFEST);
  registry.faults.add({ on: "blob", kind: "flip", atByte: 3, times: 2 });
  const error = await importErrorFrom(client.fetchConfig(descriptorOf(added), signal));
  expect(error.code).toBe("ERR_DIGEST_MISMATCH");
});

test("a challenge of a redirect's target is answered with a token of its own, never with ours", async () => {
  const registry = await startedRegistry({ auth: { mode: "bearer", anonymousPull: true } });
  registry.addManifest("real/name", "1", MANIFEST, "application/vnd.oci.image.manifest.v1+json");
  const location = `${registry.url}/v2/real/name/manifests/1`;
  const { client, seen } = await scripted([{ status: 307, headers: { location } }], {
    credentials: {
      credentialsFor: async (host) =>
        host === registry.host
          ? undefined
          : {
              credentials: { kind: "basic", username: "alice", password: "fake-pw" },
              origin: "the test",
            },
    },
  });
  expect((await client.fetchRoot(signal)).bytes).toEqual(MANIFEST);
  expect(registry.tokens?.requests).toEqual([
    { method: "GET", scopes: ["repository:real/name:pull"], user: undefined, granted: true },
  ]);
  expect(seen.some(({ headers }) => headers.has("authorization"))).toBe(false);
});
