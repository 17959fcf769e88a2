import { afterEach, beforeEach, expect, test } from "vitest";
import type { FoundCredentials } from "../../src/auth/credential-provider.ts";
import {
  createDockerCredentials,
  type DockerCredentialsOptions,
} from "../../src/auth/docker-credentials.ts";
import { makeHelperHome, type HelperHome } from "../support/fake-helpers.ts";

const SIGNAL = new AbortController().signal;
let home: HelperHome;

beforeEach(async () => {
  home = await makeHelperHome();
});
afterEach(async () => {
  await home.remove();
});

type Ask = (registry: string, repository?: string) => Promise<FoundCredentials | undefined>;

function provider(
  env: Readonly<Record<string, string>> = {},
  more: Partial<DockerCredentialsOptions> = {},
): Ask {
  const options = { uid: 4_000_000_000, ...more, env: { ...home.env, ...env } };
  const credentials = createDockerCredentials(options);
  return async (registry, repository = "team/app") =>
    credentials.credentialsFor(registry, repository, SIGNAL);
}

function auths(host: string, login: string): unknown {
  return { auths: { [host]: { auth: Buffer.from(login).toString("base64") } } };
}

test("every place is asked in its order, and named in its origin", async () => {
  const env: Record<string, string> = {
    ROOTLIFT_USERNAME: "given",
    ROOTLIFT_PASSWORD: "fake-1",
    REGISTRY_AUTH_FILE: `${home.root}/explicit.json`,
    DOCKER_AUTH_CONFIG: JSON.stringify(auths("r.example", "env:fake-3")),
    XDG_RUNTIME_DIR: `${home.root}/run`,
  };
  await home.write("explicit.json", auths("r.example", "explicit:fake-2"));
  await home.write("home/.docker/config.json", auths("r.example", "docker:fake-4"));
  await home.write("run/containers/auth.json", auths("r.example", "runtime:fake-5"));
  await home.write("home/.config/containers/auth.json", auths("r.example", "config:fake-6"));
  const seen: (string | undefined)[] = [];
  const look = async (): Promise<void> => {
    const found = await provider(env)("r.example");
    seen.push(found && `${found.username} from ${found.origin.replace(home.root, "")}`);
  };
  await look();
  delete env["ROOTLIFT_USERNAME"];
  delete env["ROOTLIFT_PASSWORD"];
  await look();
  await home.write("explicit.json", "{}");
  await look();
  env["DOCKER_AUTH_CONFIG"] = "";
  await look();
  await home.write("home/.docker/config.json", { auths: { "r.example": {} } });
  await look();
  await home.write("run/containers/auth.json", "");
  await look();
  await home.write("home/.config/containers/auth.json", "{}");
  await look();
  expect(seen).toEqual([
    "given from ROOTLIFT_USERNAME and ROOTLIFT_PASSWORD",
    'explicit from /explicit.json (REGISTRY_AUTH_FILE) (auths "r.example")',
    'env from DOCKER_AUTH_CONFIG (auths "r.example")',
    'docker from ~/.docker/config.json (auths "r.example")',
    'runtime from /run/containers/auth.json (auths "r.example")',
    'config from ~/.config/containers/auth.json (auths "r.example")',
    undefined,
  ]);
});

test("a later file is not looked at when an earlier one has a login", async () => {
  await home.write("home/.docker/config.json", auths("r.example", "u:fake"));
  await home.write("home/.config/containers/auth.json", "{broken");
  const ask = provider();
  expect((await ask("r.example"))?.username).toBe("u");
  await expect(ask("other.example")).rejects.toMatchObject({ code: "ERR_CONFIG_INVALID" });
});

test("ROOTLIFT_USERNAME is for the registry of the reference, and for no mirror", async () => {
  const env = { ROOTLIFT_USERNAME: "u", ROOTLIFT_PASSWORD: "fake" };
  const ask = provider(env, { loginRegistry: "docker.io" });
  expect(await ask("mirror.example")).toBeUndefined();
  expect((await ask("docker.io"))?.username).toBe("u");
  const first = provider(env);
  expect((await first("R.example"))?.username).toBe("u");
  expect(await first("mirror.example")).toBeUndefined();
  expect((await first("r.example", "other/app"))?.username).toBe("u");
});

test.each([
  [{ ROOTLIFT_USERNAME: "u" }, "ROOTLIFT_PASSWORD is not"],
  [{ ROOTLIFT_PASSWORD: "fake" }, "ROOTLIFT_USERNAME is not"],
  [{ ROOTLIFT_USERNAME: "u", ROOTLIFT_PASSWORD: "" }, "ROOTLIFT_PASSWORD is not"],
])("half a login in the environment is an error (%#)", async (env, message) => {
  await expect(provider(env)("r.example")).rejects.toMatchObject({
    code: "ERR_CONFIG_INVALID",
    message: expect.stringContaining(message),
  });
});

test("a helper runs once for a host, however many ask and for whatever repository", async () => {
  await home.addHelper("fake", `echo x >> $ROOT/runs; echo '{"Username":"u","Secret":"fake"}'`);
  await home.write("home/.docker/config.json", { credsStore: "fake" });
  const ask = provider();
  const found = await Promise.all(
    ["a/b", "a/b", "c/d"].map(async (name) => ask("r.example", name)),
  );
  expect(found.map((one) => one?.origin)).toEqual(
    Array.from({ length: 3 }, () => "docker-credential-fake (credsStore of ~/.docker/config.json)"),
  );
  await ask("r.example", "e/f");
  expect(await home.read("runs")).toBe("x\n");
});

test("a helper that failed is not tried again", async () => {
  await home.addHelper("fake", "echo x >> $ROOT/runs; exit 1");
  await home.write("home/.docker/config.json", { credsStore: "fake" });
  const ask = provider();
  for (const repository of ["a/b", "a/b", "c/d"]) {
    await expect(ask("r.example", repository)).rejects.toMatchObject({
      code: "ERR_CREDENTIAL_HELPER",
    });
  }
  expect(await home.read("runs")).toBe("x\n");
});

test("who gives up takes nothing from who still waits", async () => {
  await home.addHelper(
    "fake",
    `echo x >> $ROOT/runs; [ -e $ROOT/go ] || sleep 600; echo '{"Username":"u","Secret":"fake"}'`,
  );
  await home.write("home/.docker/config.json", { credsStore: "fake" });
  const credentials = createDockerCredentials({ env: home.env, uid: 4_000_000_000 });
  const impatient = new AbortController();
  const first = credentials.credentialsFor("r.example", "a/b", impatient.signal);
  const second = credentials.credentialsFor("r.example", "a/b", SIGNAL);
  await expect.poll(async () => home.read("runs").catch(() => ""), { timeout: 30_000 }).toBe("x\n");
  await home.write("go", "");
  impatient.abort();
  await expect(first).rejects.toMatchObject({ code: "ERR_CANCELLED" });
  expect((await second)?.username).toBe("u");
});

test("credHelpers and credsStore of DOCKER_AUTH_CONFIG count, as GitLab Runner reads it", async () => {
  await home.addHelper("fake", `echo '{"Username":"u","Secret":"fake"}'`);
  const ask = provider({ DOCKER_AUTH_CONFIG: '{"credHelpers":{"r.example":"fake"}}' });
  expect((await ask("r.example"))?.origin).toBe(
    'docker-credential-fake (credHelpers "r.example" of DOCKER_AUTH_CONFIG)',
  );
});

test("a helper without an answer leaves the field to the next file", async () => {
  await home.addHelper("fake", "echo 'credentials not found in native keychain'; exit 1");
  await home.write("home/.docker/config.json", { credsStore: "fake" });
  await home.write("home/.config/containers/auth.json", auths("r.example", "u:fake"));
  expect((await provider()("r.example"))?.origin).toContain("containers/auth.json");
});

test("only docker's own file is read by docker's rule for keys", async () => {
  await home.write("explicit.json", auths("r.example/other", "u:fake"));
  expect(
    await provider({ REGISTRY_AUTH_FILE: `${home.root}/explicit.json` })("r.example"),
  ).toBeUndefined();
  await home.write("home/.docker/config.json", auths("r.example/other", "u:fake"));
  expect((await provider()("r.example"))?.username).toBe("u");
});

test("XDG_CONFIG_HOME and DOCKER_CONFIG move the files; empty ones do not", async () => {
  await home.write("conf/containers/auth.json", auths("r.example", "podman:fake"));
  await home.write("elsewhere/config.json", auths("q.example", "docker:fake"));
  const moved = { XDG_CONFIG_HOME: `${home.root}/conf`, DOCKER_CONFIG: `${home.root}/elsewhere` };
  expect((await provider(moved)("r.example"))?.username).toBe("podman");
  expect((await provider(moved)("q.example"))?.username).toBe("docker");
  const empty = { XDG_CONFIG_HOME: "", DOCKER_CONFIG: "", XDG_RUNTIME_DIR: "" };
  expect(await provider(empty)("r.example")).toBeUndefined();
});
