import { inspect } from "node:util";
import { expect, onTestFinished, test } from "vitest";
import type { Credentials } from "../../src/auth/credential-provider.ts";
import { ImportError } from "../../src/errors.ts";
import type { RegistryClient } from "../../src/registry/registry-client.ts";
import { importErrorFrom } from "../support/import-error.ts";
import type { ClientSetup } from "../support/registry-pull.ts";
import { descriptorOf, readStream, testClient } from "../support/registry-pull.ts";
import { startedRegistry } from "../support/started-registry.ts";
import type { AuthOptions, TestRegistry } from "../support/test-registry/test-registry.ts";

const MANIFEST = Buffer.from('{"schemaVersion":2}');
const MEDIA_TYPE = "application/vnd.oci.image.manifest.v1+json";
const { signal } = new AbortController();

const PASSWORD = "hunter2-fake-password";
const ALICE: Credentials = { kind: "basic", username: "alice", password: PASSWORD };
const USERS = { alice: PASSWORD };

async function guarded(auth: AuthOptions): Promise<TestRegistry> {
  const registry = await startedRegistry({ auth });
  registry.addManifest("team/app", "1", MANIFEST, MEDIA_TYPE);
  return registry;
}

function clientOf(registry: TestRegistry, setup: ClientSetup = {}): RegistryClient {
  const client = testClient(`${registry.host}/team/app:1`, { plainHttp: true, ...setup });
  onTestFinished(() => client.close());
  return client;
}

test("a registry with passwords is answered with the stored login, and then with every request", async () => {
  const registry = await guarded({ mode: "basic", users: USERS });
  const client = clientOf(registry, { login: ALICE });
  expect((await client.fetchRoot(signal)).bytes).toEqual(MANIFEST);
  await client.fetchRoot(signal);
  expect(registry.requests.map(({ authorization }) => authorization)).toEqual([
    "none",
    "basic",
    "basic",
  ]);
});

test("a token is got anonymously, with a password, and with an identity token", async () => {
  const identity: Credentials = { kind: "identity-token", token: "fake-refresh" };
  const cases = [
    { login: undefined, method: "GET", user: undefined },
    { login: ALICE, method: "GET", user: "alice" },
    { login: identity, method: "POST", user: "bob" },
  ];
  for (const { login, method, user } of cases) {
    const registry = await guarded({
      mode: "bearer",
      users: USERS,
      identityTokens: { "fake-refresh": "bob" },
      anonymousPull: true,
    });
    const client = clientOf(registry, login === undefined ? {} : { login });
    expect((await client.fetchRoot(signal)).bytes).toEqual(MANIFEST);
    expect(registry.tokens?.requests).toEqual([
      { method, scopes: ["repository:team/app:pull"], user, granted: true },
    ]);
  }
});

test("an identity token goes by GET where the token server knows no POST", async () => {
  for (const postStatus of [404, 405, 400, 401]) {
    const registry = await guarded({
      mode: "bearer",
      users: USERS,
      identityTokens: { "fake-refresh": "bob" },
      postStatus,
    });
    const client = clientOf(registry, { login: { kind: "identity-token", token: "fake-refresh" } });
    await client.fetchRoot(signal);
    expect(registry.tokens?.requests.map(({ method }) => method)).toEqual(["POST", "GET"]);
  }
});

test("a registry token is the Bearer token itself: no token is asked for", async () => {
  const registry = await guarded({ mode: "bearer", registryTokens: ["fake-registry-token"] });
  const login: Credentials = { kind: "registry-token", token: "fake-registry-token" };
  await clientOf(registry, { login }).fetchRoot(signal);
  expect(registry.tokens?.requests).toEqual([]);
});

test("a registry token that is refused is final", async () => {
  const registry = await guarded({ mode: "bearer", registryTokens: ["fake-other"] });
  const login: Credentials = { kind: "registry-token", token: "fake-registry-token" };
  const error = await importErrorFrom(clientOf(registry, { login }).fetchRoot(signal));
  expect(error.code).toBe("ERR_AUTH_DENIED");
  expect(registry.tokens?.requests).toEqual([]);
});

test("an access_token alone and a token without a lifetime are good enough", async () => {
  const registry = await guarded({ mode: "bearer", member: "access_token", expiresIn: null });
  const client = clientOf(registry);
  await client.fetchRoot(signal);
  await client.fetchRoot(signal);
  expect(registry.tokens?.requests).toHaveLength(1);
});

test("thirty layers that wait for a token cause one token request", async () => {
  const registry = await guarded({ mode: "bearer", delayMs: 50 });
  const blobs = await Promise.all(
    Array.from({ length: 30 }, (_, i) => registry.addBlob(Buffer.from(`layer ${i}`))),
  );
  const client = clientOf(registry, { concurrency: 30 });
  const streams = blobs.map((blob) =>
    client.openBlob(descriptorOf(blob), { signal, fresh: false, what: "layer" }),
  );
  const contents = await Promise.all(streams.map((stream) => readStream(stream)));
  expect(contents.map(String)).toEqual(blobs.map((_, i) => `layer ${i}`));
  expect(registry.tokens?.requests).toHaveLength(1);
});

test("thirty layers whose token has expired cause one more token request", async () => {
  const registry = await guarded({ mode: "bearer" });
  const blobs = await Promise.all(
    Array.from({ length: 30 }, (_, i) => registry.addBlob(Buffer.from(`layer ${i}`))),
  );
  const client = clientOf(registry, { concurrency: 30 });
  await client.fetchRoot(signal);
  registry.tokens?.revokeAll();
  const streams = blobs.map((blob) =>
    client.openBlob(descriptorOf(blob), { signal, fresh: false, what: "layer" }),
  );
  const contents = await Promise.all(streams.map((stream) => readStream(stream)));
  expect(contents.map(String)).toEqual(blobs.map((_, i) => `layer ${i}`));
  expect(registry.tokens?.requests).toHaveLength(2);
});

test("a token that expires in mid-pull is renewed, and the layer goes on where it was", async () => {
  const registry = await guarded({ mode: "bearer" });
  const bytes = Buffer.alloc(500_000, "abcdefg");
  const blob = await registry.addBlob(bytes);
  registry.faults.add({ on: "blob", kind: "reset", afterBytes: 200_000, times: 1 });
  const client = clientOf(registry);
  await client.fetchRoot(signal);
  const stream = client.openBlob(descriptorOf(blob), { signal, fresh: false, what: "layer" });
  const start = new Uint8Array(100_000);
  await stream.read(start);
  registry.tokens?.revokeAll();
  expect(Buffer.concat([start, await readStream(stream)]).equals(bytes)).toBe(true);
  const ranges = registry.requests.flatMap(({ path, range }) =>
    path.includes("/blobs/") ? [range] : [],
  );
  // The reset, the refused token, the fresh one: both at the same offset.
  expect(ranges).toEqual([undefined, "bytes=200000-", "bytes=200000-"]);
  expect(registry.tokens?.requests).toHaveLength(2);
});

test("a fresh token that is refused as well is final", async () => {
  const registry = await guarded({ mode: "bearer", users: USERS, tokenSeconds: 0 });
  const error = await importErrorFrom(clientOf(registry, { login: ALICE }).fetchRoot(signal));
  expect(error).toMatchObject({
    code: "ERR_AUTH_DENIED",
    message: expect.stringContaining("answered 401 UNAUTHORIZED"),
    hint: expect.stringContaining("the test's login"),
    details: { reference: `${registry.host}/team/app:1`, host: registry.host, status: 401 },
  });
  expect(registry.tokens?.requests).toHaveLength(2);
});

test("a stored login that is refused is left out, and the user is told", async () => {
  const registry = await guarded({ mode: "bearer", users: USERS, anonymousPull: true });
  const login: Credentials = { kind: "basic", username: "alice", password: "fake-expired" };
  const client = clientOf(registry, { login });
  expect((await client.fetchRoot(signal)).bytes).toEqual(MANIFEST);
  expect(client.refusedLogins).toEqual([{ host: registry.host, origin: "the test's login" }]);
  expect(registry.tokens?.requests.map(({ granted }) => granted)).toEqual([false, true]);
});

test("a login that is refused where nobody may pull without one names where it came from", async () => {
  const registry = await guarded({ mode: "bearer", users: USERS });
  const login: Credentials = { kind: "basic", username: "alice", password: "fake-expired" };
  const error = await importErrorFrom(clientOf(registry, { login }).fetchRoot(signal));
  expect(error).toMatchObject({
    code: "ERR_AUTH_DENIED",
    message: expect.stringContaining("incorrect username or password"),
    hint: expect.stringContaining("the test's login"),
  });
});

test("without a login, an image that wants one is private or does not exist", async () => {
  for (const auth of [
    { mode: "bearer", users: USERS },
    { mode: "basic", users: USERS },
  ] as const) {
    const registry = await guarded(auth);
    const error = await importErrorFrom(clientOf(registry).fetchRoot(signal));
    expect(error.code).toBe("ERR_AUTH_REQUIRED");
    expect(error.hint).toContain("docker login");
    expect(error.details).toMatchObject({ reference: `${registry.host}/team/app:1` });
  }
});

test("credentials are looked for once, and only when the registry has asked for some", async () => {
  let lookups = 0;
  const credentials = {
    credentialsFor: async () => {
      lookups += 1;
      return undefined;
    },
  };
  const open = await startedRegistry();
  open.addManifest("team/app", "1", MANIFEST, MEDIA_TYPE);
  await clientOf(open, { credentials }).fetchRoot(signal);
  expect(lookups).toBe(0);
  const guardedOne = await guarded({ mode: "bearer" });
  const client = clientOf(guardedOne, { credentials });
  await Promise.all([client.fetchRoot(signal), client.fetchRoot(signal)]);
  expect(lookups).toBe(1);
});

test("a helper that fails matters only when the registry insists on a login", async () => {
  const helperError = new ImportError("ERR_CREDENTIAL_HELPER", "docker-credential-x is missing");
  const credentials = { credentialsFor: () => Promise.reject(helperError) };
  const open = await guarded({ mode: "bearer" });
  expect((await clientOf(open, { credentials }).fetchRoot(signal)).bytes).toEqual(MANIFEST);
  for (const auth of [
    { mode: "bearer", users: USERS },
    { mode: "basic", users: USERS },
  ] as const) {
    const closed = await guarded(auth);
    const error = await importErrorFrom(clientOf(closed, { credentials }).fetchRoot(signal));
    expect(error).toBe(helperError);
  }
});

test("a token server that is down for a moment is asked again", async () => {
  const registry = await guarded({ mode: "bearer" });
  registry.faults.add({ on: "token", kind: "status", status: 503, times: 2 });
  const retries: ClientSetup["retries"] = [];
  await clientOf(registry, { retries }).fetchRoot(signal);
  expect(retries.map(({ why }) => why)).toEqual([
    `${registry.host} answered 503`,
    `${registry.host} answered 503`,
  ]);
});

test("a redirect target on another origin never sees credentials, tokens or a changed URL", async () => {
  for (const auth of [
    { mode: "basic", users: USERS },
    { mode: "bearer", users: USERS },
  ] as const) {
    const registry = await startedRegistry({ auth, redirectBlobs: true });
    const blob = await registry.addBlob(Buffer.from("layer"));
    const client = clientOf(registry, { login: ALICE });
    const stream = client.openBlob(descriptorOf(blob), { signal, fresh: false, what: "layer" });
    expect((await readStream(stream)).toString()).toBe("layer");
    expect(registry.requests.filter(({ at }) => at === "cdn")).toHaveLength(1);
    expect(registry.violations).toEqual([]);
  }
});

test("no secret is in an error, whatever the registry echoes, nor in what inspecting the client shows", async () => {
  const registry = await guarded({ mode: "basic", users: USERS });
  const echo = Buffer.from(`alice:${PASSWORD}`).toString("base64");
  registry.faults.add({
    on: "manifest",
    kind: "status",
    status: 403,
    body: JSON.stringify({ message: `denied for Basic ${echo} and ${PASSWORD}` }),
  });
  const client = clientOf(registry, { login: ALICE });
  const error = await importErrorFrom(client.fetchRoot(signal));
  expect(error.message).toContain("denied for Basic *** and ***");
  const everything = [error, client].map((value) =>
    inspect(value, { depth: 20, showHidden: false }),
  );
  for (const text of [...everything, JSON.stringify(error.details)]) {
    expect(text).not.toContain(PASSWORD);
    expect(text).not.toContain(echo);
  }
});

test("a token request is not redirected to where its secrets would be somebody else's", async () => {
  const registry = await guarded({
    mode: "bearer",
    identityTokens: { "fake-refresh": "bob" },
    users: {},
  });
  registry.faults.add({ on: "token", kind: "redirect", location: `${registry.cdnUrl}/token` });
  const posted = clientOf(registry, { login: { kind: "identity-token", token: "fake-refresh" } });
  expect(await importErrorFrom(posted.fetchRoot(signal))).toMatchObject({
    code: "ERR_REDIRECT_REFUSED",
    details: { reference: `${registry.host}/team/app:1` },
  });
  expect(registry.requests.some(({ at }) => at === "cdn")).toBe(false);
  const asked = clientOf(registry, { login: ALICE });
  await importErrorFrom(asked.fetchRoot(signal));
  expect(registry.requests.filter(({ at }) => at === "cdn").length).toBeGreaterThan(0);
  expect(registry.violations.filter((violation) => violation.includes("authorization"))).toEqual(
    [],
  );
});
