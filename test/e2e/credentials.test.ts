import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { pushImage } from "../../scripts/push-image.ts";
import { startDebianRegistry, type DebianRegistry } from "../support/debian-registry.ts";
import { fileEntry, makeLayer } from "../support/make-layer.ts";
import { runTl } from "../support/run-tl.ts";
import type { Ended } from "../support/running-process.ts";
import { scratchDirectory } from "../support/scratch.ts";
import { storeListing } from "../support/store-listing.ts";
import type { TestImage } from "../support/test-registry/test-image.ts";
import { startTestRegistry, type TestRegistry } from "../support/test-registry/test-registry.ts";

const USER = "alice";
const PASSWORD = "hunter2:with:colons";
const IDENTITY_TOKEN = "fake-identity-token";
const SECRETS = [
  PASSWORD,
  IDENTITY_TOKEN,
  base64(`${USER}:${PASSWORD}`),
  "hunter2",
  "wrong-secret",
];

let image: TestImage;
let debian: DebianRegistry;
let bearer: TestRegistry;

beforeAll(async () => {
  image = { layers: [await makeLayer([fileEntry("etc/motd", "private\n")])] };
  debian = await startDebianRegistry({ user: { name: USER, password: PASSWORD } });
  const authorization = `Basic ${base64(`${USER}:${PASSWORD}`)}`;
  const target = { registryUrl: `http://${debian.host}`, repository: "team/app", tag: "1" };
  await pushImage({ ...target, headers: { authorization } }, image);
  bearer = await startTestRegistry({
    auth: {
      mode: "bearer",
      users: { [USER]: PASSWORD },
      identityTokens: { [IDENTITY_TOKEN]: USER },
    },
  });
  await bearer.addImage("team/app", "1", image);
});
afterAll(async () => {
  await debian.close();
  await bearer.close();
});

function base64(text: string): string {
  return Buffer.from(text).toString("base64");
}

/** A home directory with a docker config, and with credential helpers on the PATH. */
function homeWith(
  config: object,
  helpers: Readonly<Record<string, string>> = {},
): {
  readonly home: string;
  readonly env: Readonly<Record<string, string>>;
} {
  const home = scratchDirectory();
  const bin = join(home, "bin");
  mkdirSync(join(home, ".docker"));
  mkdirSync(bin);
  writeFileSync(join(home, ".docker/config.json"), JSON.stringify(config));
  for (const [name, script] of Object.entries(helpers)) {
    const path = join(bin, `docker-credential-${name}`);
    writeFileSync(path, `#!/bin/sh\n${script}\n`);
    chmodSync(path, 0o755);
  }
  return {
    home,
    env: { PATH: `${bin}:${process.env["PATH"] ?? ""}`, ROOTLIFT_HOME: join(home, "store") },
  };
}

/** No secret of these tests stands in anything that the command printed. */
function tellsNoSecret({ stdout, stderr }: Ended): void {
  for (const secret of SECRETS) expect(stdout + stderr).not.toContain(secret);
}

async function imports(
  reference: string,
  place: ReturnType<typeof homeWith>,
  ...args: readonly string[]
): Promise<Ended> {
  const run = await runTl(["import", reference, "--verbose", ...args], place);
  tellsNoSecret(run);
  return run;
}

const registries = [
  ["Debian's docker-registry with htpasswd", () => debian.host],
  ["a registry with a token server", () => bearer.host],
] as const;

test.each(registries)("%s: a login in docker's config is used", async (_name, host) => {
  const auths = { [host()]: { auth: base64(`${USER}:${PASSWORD}`) } };
  const run = await imports(`${host()}/team/app:1`, homeWith({ auths }));
  expect(run).toMatchObject({ exitCode: 0 });
});

test.each(registries)("%s: a credential helper is asked", async (_name, host) => {
  const answer = JSON.stringify({ ServerURL: host(), Username: USER, Secret: PASSWORD });
  const place = homeWith(
    { credHelpers: { [host()]: "fake" } },
    { fake: `cat >/dev/null; echo '${answer}'` },
  );
  expect(await imports(`${host()}/team/app:1`, place)).toMatchObject({ exitCode: 0 });
});

test("a credentials store that answers for every registry is asked", async () => {
  const answer = JSON.stringify({ ServerURL: "", Username: USER, Secret: PASSWORD });
  const place = homeWith({ credsStore: "all" }, { all: `cat >/dev/null; echo '${answer}'` });
  expect(await imports(`${bearer.host}/team/app:1`, place)).toMatchObject({ exitCode: 0 });
});

test("an identity token is traded for access tokens", async () => {
  const auths = { [bearer.host]: { identitytoken: IDENTITY_TOKEN } };
  expect(await imports(`${bearer.host}/team/app:1`, homeWith({ auths }))).toMatchObject({
    exitCode: 0,
  });
  expect(bearer.tokens?.requests.at(-1)).toMatchObject({ method: "POST", granted: true });
});

test.each(registries)(
  "%s: without a login one clear error says so, and nothing is left",
  async (_name, host) => {
    const place = homeWith({});
    const run = await imports(`${host()}/team/app:1`, place);
    expect(run).toMatchObject({ exitCode: 1, stdout: "" });
    expect(run.stderr.match(/^Error: /gm)).toHaveLength(1);
    expect(run.stderr).toContain("ERR_AUTH_REQUIRED");
    expect(run.stderr).toContain("docker login");
    expect(storeListing(join(place.home, "store"))).toEqual({
      snapshots: [],
      ingests: [],
      other: [],
    });
  },
);

test.each(registries)(
  "%s: a wrong password gives one clear error, and it is not printed",
  async (_name, host) => {
    const auths = { [host()]: { auth: base64(`${USER}:wrong-secret`) } };
    const run = await imports(`${host()}/team/app:1`, homeWith({ auths }));
    expect(run).toMatchObject({ exitCode: 1, stdout: "" });
    expect(run.stderr.match(/^Error: /gm)).toHaveLength(1);
    expect(run.stderr).toContain("ERR_AUTH_DENIED");
  },
);

test("a failing credential helper is named when the registry insists, and what it printed is not shown", async () => {
  const place = homeWith(
    { credHelpers: { [bearer.host]: "broken" } },
    { broken: "cat >/dev/null; echo hunter2 >&2; exit 7" },
  );
  const run = await imports(`${bearer.host}/team/app:1`, place);
  expect(run).toMatchObject({ exitCode: 1 });
  expect(run.stderr).toContain("ERR_CREDENTIAL_HELPER");
  expect(run.stderr).toContain("broken");
});

test("with --debug neither a failure nor a success prints a secret", async () => {
  const good = { [bearer.host]: { auth: base64(`${USER}:${PASSWORD}`) } };
  const bad = { [bearer.host]: { auth: base64(`${USER}:wrong-secret`) } };
  expect(
    await imports(`${bearer.host}/team/app:1`, homeWith({ auths: good }), "--debug"),
  ).toMatchObject({ exitCode: 0 });
  expect(
    await imports(`${bearer.host}/team/app:1`, homeWith({ auths: bad }), "--debug"),
  ).toMatchObject({ exitCode: 1 });
});

test("a token that expires in mid-pull is renewed, and the layer goes on where it was", async () => {
  const registry = await startTestRegistry({
    auth: { mode: "bearer", users: { [USER]: PASSWORD }, tokenSeconds: 1, expiresIn: 300 },
    bytesPerSecond: 150_000,
  });
  try {
    const noise = Array.from({ length: 60_000 }, (_, n) => (n * 2_654_435_761) % 2 ** 32).join(" ");
    const layers = [
      await makeLayer([fileEntry("a", noise)]),
      await makeLayer([fileEntry("b", noise.slice(0, 200_000))]),
    ];
    await registry.addImage("team/slow", "1", { layers });
    const auths = { [registry.host]: { auth: base64(`${USER}:${PASSWORD}`) } };
    const run = await imports(
      `${registry.host}/team/slow:1`,
      homeWith({ auths }),
      "--concurrency",
      "1",
    );
    expect(run).toMatchObject({ exitCode: 0 });
    expect(registry.tokens?.requests.length).toBeGreaterThan(1);
  } finally {
    await registry.close();
  }
});
