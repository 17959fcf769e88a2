import { randomBytes } from "node:crypto";
import { expect, onTestFinished, test } from "vitest";
import { createDockerCredentials } from "../../src/auth/docker-credentials.ts";
import type { Credentials } from "../../src/auth/credential-provider.ts";
import type { Descriptor } from "../../src/oci/descriptor.ts";
import { parseReference } from "../../src/oci/parse-reference.ts";
import type { RouteWarning } from "../../src/registry/host-route.ts";
import type { MirrorTraits, PullHosts } from "../../src/registry/mirrors/pull-host.ts";
import { mirrorHost, registryHost } from "../../src/registry/mirrors/pull-host.ts";
import type { RegistryClient } from "../../src/registry/registry-client.ts";
import { digestText } from "../support/digest-text.ts";
import { importErrorFrom } from "../support/import-error.ts";
import type { ClientSetup } from "../support/registry-pull.ts";
import { descriptorOf, readStream, testClient } from "../support/registry-pull.ts";
import { selfSignedCertificate } from "../support/self-signed-certificate.ts";
import { startedRegistry } from "../support/started-registry.ts";
import type { ScriptedRequest } from "../support/test-registry/scripted-server.ts";
import { startScriptedServer } from "../support/test-registry/scripted-server.ts";
import type { Misbehaviour } from "../support/test-registry/faults.ts";
import { encodeImage } from "../support/test-registry/test-image.ts";
import type { TestRegistry, TestRegistryOptions } from "../support/test-registry/test-registry.ts";

const { signal } = new AbortController();
const MANIFEST = Buffer.from(encodeImage({ layers: [] }).manifestBytes);
const MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json";
const BLOB = Buffer.from(randomBytes(300_000));
const OTHER = Buffer.from("another blob");
const SHORT = { firstByteMs: 150, firstBlobByteMs: 150, stallMs: 150 };

interface Pull {
  readonly client: RegistryClient;
  readonly warnings: RouteWarning[];
  readonly blob: Descriptor;
  readonly other: Descriptor;
}

/** A registry that has everything. */
async function stocked(options: TestRegistryOptions = {}): Promise<TestRegistry> {
  const registry = await startedRegistry(options);
  registry.addManifest("team/app", "1", MANIFEST, MANIFEST_TYPE);
  for (const bytes of [BLOB, OTHER]) await registry.addBlob(bytes);
  return registry;
}

function pullThrough(
  mirrors: readonly (TestRegistry | { readonly host: string; readonly traits: MirrorTraits })[],
  registry: Pick<TestRegistry, "host">,
  setup: ClientSetup = {},
): Pull {
  const reference = parseReference(`${registry.host}/team/app:1`);
  const warnings: RouteWarning[] = [];
  const hosts: PullHosts = {
    mirrors: mirrors.map((mirror) => {
      const traits = "traits" in mirror ? mirror.traits : {};
      return mirrorHost({ scheme: "http", host: mirror.host, path: "" }, "team/app", traits);
    }),
    registry: registryHost(reference, { plainHttp: true, insecure: false }),
  };
  const client = testClient(reference.canonical, {
    hosts,
    onWarning: (warning) => warnings.push(warning),
    ...setup,
  });
  onTestFinished(() => client.close());
  const blob = descriptorOf({ digest: digestText(BLOB), sizeBytes: BLOB.length });
  const other = descriptorOf({ digest: digestText(OTHER), sizeBytes: OTHER.length });
  return { client, warnings, blob, other };
}

function readBlob(client: RegistryClient, descriptor: Descriptor, fresh = false): Promise<Buffer> {
  return readStream(
    client.openBlob(descriptor, { signal, fresh, what: "layer 1 of 1 of the image" }),
  );
}

/** `manifests/1`, `blobs/…`: what was asked for, without the repository. */
function asked({ requests }: TestRegistry): readonly string[] {
  return requests.map(({ path }) =>
    path.replace(/^.*?\/(manifests|blobs)\/(?:sha256:)?(\w{1,4}).*/, "$1/$2"),
  );
}

/** All `Authorization` that a host was shown, Basic ones decoded. */
function shown({ requests }: TestRegistry): string {
  return requests
    .map(({ headers }) => headers.authorization ?? "")
    .map((header) => Buffer.from(header.replace(/^Basic /, ""), "base64").toString())
    .join();
}

const BLOB_PATH = `blobs/${digestText(BLOB).slice(7, 11)}`;
const OTHER_PATH = `blobs/${digestText(OTHER).slice(7, 11)}`;

test("what the first mirror has, nobody else is asked for", async () => {
  const [mirror, second, registry] = [await stocked(), await stocked(), await stocked()];
  const { client, blob, warnings } = pullThrough([mirror, second], registry);
  expect((await client.fetchRoot(signal)).bytes).toEqual(MANIFEST);
  expect((await readBlob(client, blob)).equals(BLOB)).toBe(true);
  expect(asked(mirror)).toEqual(["manifests/1", BLOB_PATH]);
  expect([...second.requests, ...registry.requests]).toEqual([]);
  expect(warnings).toEqual([]);
});

test("a mirror that lacks something is asked for the next thing all the same; one warning says so", async () => {
  const [mirror, registry] = [await startedRegistry(), await stocked()];
  await mirror.addBlob(OTHER);
  const { client, blob, other, warnings } = pullThrough([mirror], registry);
  expect((await client.fetchRoot(signal)).bytes).toEqual(MANIFEST);
  expect((await readBlob(client, blob)).equals(BLOB)).toBe(true);
  expect((await readBlob(client, other)).equals(OTHER)).toBe(true);
  expect(asked(mirror)).toEqual(["manifests/1", BLOB_PATH, OTHER_PATH]);
  expect(asked(registry)).toEqual(["manifests/1", BLOB_PATH]);
  expect(warnings).toEqual([
    {
      code: "mirror_failed",
      message: expect.stringMatching(
        new RegExp(
          `^mirror ${mirror.host} failed, the next host is asked for it: .*${mirror.host}`,
        ),
      ),
    },
  ]);
});

test.each<[string, Misbehaviour, Partial<typeof SHORT>]>([
  ["answers 500", { kind: "status", status: 500 }, {}],
  ["answers 403", { kind: "status", status: 403 }, {}],
  [
    "asks for an hour's pause",
    { kind: "status", status: 429, headers: { "retry-after": "3600" } },
    {},
  ],
  [
    "answers with a page",
    {
      kind: "status",
      status: 200,
      body: "<html>hi</html>",
      headers: { "content-type": "text/html" },
    },
    {},
  ],
  ["hangs", { kind: "silence" }, SHORT],
  ["sends wrong bytes", { kind: "flip", atByte: 3 }, {}],
  ["cuts its answers", { kind: "truncate", toBytes: 9 }, {}],
])(
  "a mirror that %s is asked twice at most, and not again in the import",
  async (_, fault, timing) => {
    const [mirror, registry] = [await stocked(), await stocked()];
    mirror.faults.add({ on: "manifest", ...fault });
    const { client, blob, warnings } = pullThrough([mirror], registry, { timing });
    expect((await client.fetchRoot(signal)).bytes).toEqual(MANIFEST);
    expect((await readBlob(client, blob)).equals(BLOB)).toBe(true);
    expect(mirror.requests.length).toBeLessThanOrEqual(2);
    expect(asked(registry)).toEqual(["manifests/1", BLOB_PATH]);
    expect(warnings.map(({ message }) => message)).toEqual([
      expect.stringContaining(`mirror ${mirror.host} failed, it is not asked again: `),
    ]);
  },
);

test("a mirror that is not there, and one that speaks no TLS, are passed", async () => {
  const [gone, plain, registry] = [await startedRegistry(), await stocked(), await stocked()];
  await gone.close();
  const reference = parseReference(`${registry.host}/team/app:1`);
  const hosts = {
    mirrors: [
      mirrorHost({ scheme: "http", host: gone.host, path: "" }, "team/app"),
      mirrorHost({ scheme: "https", host: plain.host, path: "" }, "team/app"),
    ],
    registry: registryHost(reference, { plainHttp: true, insecure: false }),
  };
  const { client, warnings } = pullThrough([], registry, { hosts });
  expect((await client.fetchRoot(signal)).bytes).toEqual(MANIFEST);
  expect(warnings.map(({ message }) => message)).toEqual([
    expect.stringContaining(gone.host),
    expect.stringContaining(plain.host),
  ]);
  expect(plain.requests).toEqual([]);
});

test("a manifest by digest that a mirror has wrong is fetched from the next host", async () => {
  const [mirror, registry] = [await stocked(), await stocked()];
  mirror.faults.add({ on: "manifest", kind: "flip", atByte: 1 });
  const { client } = pullThrough([mirror], registry);
  const descriptor = descriptorOf({ digest: digestText(MANIFEST), sizeBytes: MANIFEST.length });
  expect((await client.fetchManifest(descriptor, signal)).bytes).toEqual(MANIFEST);
  expect(mirror.requests).toHaveLength(2);
  expect(registry.requests).toHaveLength(1);
});

test.each<[string, Misbehaviour]>([
  ["breaks off", { kind: "close", afterBytes: 1000 }],
  ["is reset", { kind: "reset", afterBytes: 1000 }],
  ["stalls", { kind: "stall", afterBytes: 1000 }],
])(
  "a blob whose mirror %s time and again goes on at the registry, at the byte where it broke",
  async (_, fault) => {
    const [mirror, registry] = [await stocked(), await stocked()];
    mirror.faults.add({ on: "blob", ...fault });
    const { client, blob, warnings } = pullThrough([mirror], registry, { timing: SHORT });
    expect((await readBlob(client, blob)).equals(BLOB)).toBe(true);
    expect(mirror.requests).toHaveLength(2);
    expect(registry.requests.map(({ range }) => range)).toEqual(["bytes=2000-"]);
    expect(warnings).toHaveLength(1);
  },
);

test.each<[string, Misbehaviour]>([
  ["JSON that is no manifest", { kind: "replace", bytes: Buffer.from("{}") }],
  [
    "a manifest under a type that it is not of",
    { kind: "headers", headers: { "content-type": "application/vnd.oci.image.index.v1+json" } },
  ],
])("%s, from a mirror, is no manifest: the next host is asked", async (_name, misbehaviour) => {
  const [mirror, registry] = [await stocked(), await stocked()];
  mirror.faults.add({ on: "manifest", ...misbehaviour });
  const { client, warnings } = pullThrough([mirror], registry);
  expect((await client.fetchRoot(signal)).bytes).toEqual(MANIFEST);
  expect(warnings.map(({ message }) => message)).toEqual([expect.stringContaining(mirror.host)]);
});

test("a mirror that breaks off after some progress is resumed there", async () => {
  const [mirror, registry] = [await stocked(), await stocked()];
  mirror.faults.add({ on: "blob", kind: "close", afterBytes: 70_000 });
  const { client, blob, warnings } = pullThrough([mirror], registry);
  expect((await readBlob(client, blob)).equals(BLOB)).toBe(true);
  expect(mirror.requests.length).toBe(5);
  expect([...registry.requests, ...warnings]).toEqual([]);
});

test.each<Misbehaviour>([
  { kind: "truncate", toBytes: 1000 },
  { kind: "append", bytes: 10 },
  { kind: "missing" },
])("a mirror's blob of another size is not waited for: %o", async (fault) => {
  const [mirror, registry] = [await stocked(), await stocked()];
  mirror.faults.add({ on: "blob", ...fault });
  const { client, blob } = pullThrough([mirror], registry);
  expect((await readBlob(client, blob)).equals(BLOB)).toBe(true);
  expect(asked(registry)).toEqual([BLOB_PATH]);
});

test("a mirror whose ranges are wrong is dropped, and the registry's range is taken", async () => {
  const [mirror, registry] = [await stocked(), await stocked()];
  mirror.faults.add({ on: "blob", kind: "close", afterBytes: 1000, times: 1 });
  mirror.faults.add({ on: "blob", kind: "wrong-total", extraBytes: 5 });
  const { client, blob, warnings } = pullThrough([mirror], registry);
  expect((await readBlob(client, blob)).equals(BLOB)).toBe(true);
  expect(registry.requests.map(({ range }) => range)).toEqual(["bytes=1000-"]);
  expect(warnings).toHaveLength(1);
});

test("wrong bytes of a mirror are fetched from the next host, each mirror that lies once", async () => {
  const [first, second, registry] = [await stocked(), await stocked(), await stocked()];
  for (const mirror of [first, second]) mirror.faults.add({ on: "blob", kind: "flip", atByte: 9 });
  const { client, blob, other, warnings } = pullThrough([first, second], registry);
  expect((await readBlob(client, blob)).equals(BLOB)).toBe(false);
  expect(client.wasMirrored(blob)).toBe(true);
  expect((await readBlob(client, blob, true)).equals(BLOB)).toBe(false);
  expect(client.wasMirrored(blob)).toBe(true);
  expect((await readBlob(client, blob, true)).equals(BLOB)).toBe(true);
  expect(client.wasMirrored(blob)).toBe(false);
  expect((await readBlob(client, other)).equals(OTHER)).toBe(true);
  expect([first, second, registry].map(asked)).toEqual([
    [BLOB_PATH],
    [BLOB_PATH],
    [BLOB_PATH, OTHER_PATH],
  ]);
  expect(warnings.map(({ message }) => message)).toEqual(
    [first, second].map(({ host }) =>
      expect.stringContaining(
        `${host} sent bytes that do not have their digest or cannot be used, for layer 1`,
      ),
    ),
  );
});

test("when all fail, the error is the registry's own, with the mirrors' in the same line", async () => {
  const [mirror, second, registry] = [
    await startedRegistry(),
    await stocked(),
    await startedRegistry(),
  ];
  for (const on of ["manifest", "blob"] as const) {
    second.faults.add({ on, kind: "status", status: 502 });
  }
  const { client, blob } = pullThrough([mirror, second], registry);
  const error = await importErrorFrom(client.fetchRoot(signal));
  expect(error).toMatchObject({ code: "ERR_IMAGE_NOT_FOUND", details: { host: registry.host } });
  expect(error.message).toMatch(
    new RegExp(
      `^${registry.host} .*; before it, mirrors failed: [^;]*${mirror.host}[^;]*; [^;]*${second.host}[^;]*502[^;]*$`,
    ),
  );
  const layer = await importErrorFrom(readBlob(client, blob));
  expect(layer.message).toContain(`; before it, mirrors failed: ${mirror.host}`);
});

test("only the registry is waited for: it has all its tries, and those are not told of the mirrors each time", async () => {
  const [mirror, registry] = [await stocked(), await stocked()];
  for (const { faults } of [mirror, registry])
    faults.add({ on: "blob", kind: "status", status: 503 });
  const { client, blob } = pullThrough([mirror], registry);
  expect(await importErrorFrom(readBlob(client, blob))).toMatchObject({
    code: "ERR_REGISTRY_UNAVAILABLE",
    message: expect.stringMatching(/before it, mirrors failed/),
  });
  expect([mirror.requests.length, registry.requests.length]).toEqual([2, 6]);
});

test("each host is shown its own login and never another's", async () => {
  const users = { mirror: "fake-mirror-password", origin: "fake-origin-password" };
  const auth = (user: keyof typeof users): TestRegistryOptions => ({
    auth: { mode: "basic", users: { [user]: users[user] } },
  });
  const mirror = await stocked(auth("mirror"));
  const registry = await stocked({ auth: { mode: "bearer", users: { origin: users.origin } } });
  const askedFor: string[] = [];
  const login = (username: keyof typeof users): Credentials => ({
    kind: "basic",
    username,
    password: users[username],
  });
  const { client, blob, other } = pullThrough([mirror], registry, {
    credentials: {
      credentialsFor: async (host) => {
        askedFor.push(host);
        return {
          credentials: login(host === mirror.host ? "mirror" : "origin"),
          origin: "the test",
        };
      },
    },
  });
  expect((await client.fetchRoot(signal)).bytes).toEqual(MANIFEST);
  expect((await readBlob(client, blob)).equals(BLOB)).toBe(true);
  expect(registry.requests).toEqual([]);
  mirror.faults.add({ on: "blob", kind: "status", status: 500 });
  expect((await readBlob(client, other)).equals(OTHER)).toBe(true);
  expect(askedFor).toEqual([mirror.host, registry.host]);
  expect(shown(mirror)).toContain(users.mirror);
  expect(shown(mirror)).not.toContain(users.origin);
  expect(shown(registry)).toContain(users.origin);
  expect(shown(registry)).not.toContain(users.mirror);
});

test("the login of the environment is the registry's: a mirror that challenges does not see it", async () => {
  const options: TestRegistryOptions = {
    auth: { mode: "basic", users: { alice: "fake-env-password" } },
  };
  const [mirror, registry] = [await stocked(options), await stocked(options)];
  const env = {
    HOME: "/nonexistent",
    ROOTLIFT_USERNAME: "alice",
    ROOTLIFT_PASSWORD: "fake-env-password",
  };
  const credentials = createDockerCredentials({ env, loginRegistry: registry.host });
  const { client, warnings } = pullThrough([mirror], registry, { env, credentials });
  expect((await client.fetchRoot(signal)).bytes).toEqual(MANIFEST);
  expect(mirror.requests.map(({ authorization }) => authorization)).toEqual(["none"]);
  expect(registry.requests.map(({ authorization }) => authorization)).toEqual(["none", "basic"]);
  expect(warnings).toHaveLength(1);
});

test("what a tag names is asked of those alone whose word for it is taken", async () => {
  const [mirror, registry] = [await stocked(), await stocked()];
  const digestOnly = { host: mirror.host, traits: { byTag: false } };
  const { client, blob } = pullThrough([digestOnly], registry);
  expect((await client.fetchRoot(signal)).bytes).toEqual(MANIFEST);
  expect((await readBlob(client, blob)).equals(BLOB)).toBe(true);
  expect(asked(registry)).toEqual(["manifests/1"]);
  expect(asked(mirror)).toEqual([BLOB_PATH]);
});

test("without anybody to ask, the configuration is what is wrong", async () => {
  const registry = await stocked();
  const reference = parseReference(`${registry.host}/team/app:1`);
  const nobody = {
    ...registryHost(reference, { plainHttp: true, insecure: false }),
    byTag: false,
    headers: {},
  };
  const { client } = pullThrough([], registry, { hosts: { mirrors: [], registry: nobody } });
  expect(await importErrorFrom(client.fetchRoot(signal))).toMatchObject({
    code: "ERR_CONFIG_INVALID",
    message: expect.stringContaining("no host may be asked for what a tag names"),
  });
});

test("a path, ns and headers reach the mirror; the headers go nowhere else", async () => {
  const seen: ScriptedRequest[] = [];
  const cdn = await startedRegistry();
  const server = await startScriptedServer((request) => {
    seen.push(request);
    const isBlob = request.path.includes("/blobs/");
    return {
      status: isBlob ? 307 : 200,
      headers: isBlob ? { location: `${cdn.url}/elsewhere` } : { "content-type": MANIFEST_TYPE },
      body: isBlob ? Buffer.alloc(0) : MANIFEST,
      transfer: "length",
      end: "clean",
    };
  });
  onTestFinished(() => server.close());
  const registry = await stocked();
  const host = server.origin.replace("http://", "");
  const hosts = {
    mirrors: [
      mirrorHost({ scheme: "http", host, path: "/cache" }, "team/app", {
        query: "ns=quay.io%3A443",
        headers: { "x-key": "fake-header-secret" },
      }),
    ],
    registry: registryHost(parseReference(`${registry.host}/team/app:1`), {
      plainHttp: true,
      insecure: false,
    }),
  };
  const { client, blob } = pullThrough([], registry, { hosts });
  expect((await client.fetchRoot(signal)).bytes).toEqual(MANIFEST);
  expect((await readBlob(client, blob)).equals(BLOB)).toBe(true);
  expect(seen.map(({ path }) => path)).toEqual([
    "/cache/v2/team/app/manifests/1?ns=quay.io%3A443",
    `/cache/v2/team/app/blobs/${blob.digest.text}?ns=quay.io%3A443`,
  ]);
  expect(seen.map(({ headers }) => headers.get("x-key"))).toEqual(
    Array(2).fill("fake-header-secret"),
  );
  expect(cdn.requests).toHaveLength(1);
  for (const { headers } of [...cdn.requests, ...registry.requests]) {
    expect(headers).not.toHaveProperty("x-key");
  }
});

test("a mirror's certificate is held to the authorities that its configuration names", async () => {
  const [mirror, registry] = [await stocked({ tls: true }), await stocked()];
  const other = selfSignedCertificate({ names: ["127.0.0.1"] });
  const pull = async (authority: string | undefined): Promise<Pull> => {
    const traits = { certificates: { authorities: [authority ?? ""], clientPairs: [] } };
    const hosts = {
      mirrors: [mirrorHost({ scheme: "https", host: mirror.host, path: "" }, "team/app", traits)],
      registry: registryHost(parseReference(`${registry.host}/team/app:1`), {
        plainHttp: true,
        insecure: false,
      }),
    };
    const made = pullThrough([], registry, { hosts });
    expect((await made.client.fetchRoot(signal)).bytes).toEqual(MANIFEST);
    return made;
  };
  expect((await pull(mirror.certificatePem)).warnings).toEqual([]);
  expect(registry.requests).toEqual([]);
  const { warnings } = await pull(other.certificatePem);
  expect(warnings.map(({ message }) => message)).toEqual([expect.stringContaining(mirror.host)]);
  expect([mirror.requests.length, registry.requests.length]).toEqual([1, 1]);
});

test("a large blob gets ranges of a mirror too, and the registry takes over what the mirror leaves", async () => {
  const [mirror, registry] = [await stocked({ bytesPerSecond: 2e6 }), await stocked()];
  mirror.faults.add({ on: "blob", kind: "status", status: 416, ranged: true, skip: 1 });
  mirror.faults.add({ on: "blob", kind: "close", afterBytes: 150_000, times: 1 });
  const { client, blob } = pullThrough([mirror], registry, {
    ranges: {
      minLayerBytes: 1000,
      minChunkBytes: 20_000,
      chunkBytes: 40_000,
      budgetBytes: 400_000,
      tickMs: 5,
    },
    planConnections: (plan, { receivedBytes }) =>
      receivedBytes > 0 ? { connections: 3, settled: true } : plan,
  });
  expect((await readBlob(client, blob)).equals(BLOB)).toBe(true);
  expect(mirror.requests.some(({ range }) => range !== undefined)).toBe(true);
});
