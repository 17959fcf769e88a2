import { inspect } from "node:util";
import { expect, test } from "vitest";
import { mirrorSettings } from "../../src/api/mirror-settings.ts";
import type { PullSandboxImageOptions } from "../../src/index.ts";
import { importErrorOf } from "../support/import-error.ts";

const A = { scheme: "https", host: "a.example", path: "" };
const B = { scheme: "http", host: "b.example:5000", path: "/x" };

test("mirrors are kept by their registry, those of the Hub behind its own", () => {
  const { mirrors } = mirrorSettings(
    {
      mirrors: { "GHCR.io": ["https://a.example"], "index.docker.io": ["http://b.example:5000/x"] },
      registryMirrors: ["https://a.example/"],
    },
    { ROOTLIFT_REGISTRY_MIRRORS: "https://not-asked.example" },
  );
  expect([...mirrors]).toEqual([
    ["ghcr.io", [A]],
    ["docker.io", [B, A]],
  ]);
});

test("the environment has defaults; what is empty is not there", () => {
  const env = {
    ROOTLIFT_REGISTRY_MIRRORS: " https://a.example, http://b.example:5000/x\n",
    CONTAINERS_REGISTRIES_CONF: "/env.conf",
  };
  expect(mirrorSettings({}, env)).toEqual({
    mirrors: new Map([["docker.io", [A, B]]]),
    hostsDir: undefined,
    registriesConf: "/env.conf",
    dockerDaemonConfig: undefined,
  });
  expect(mirrorSettings({ registriesConf: "/own.conf" }, env).registriesConf).toBe("/own.conf");
  const empty = { ROOTLIFT_REGISTRY_MIRRORS: "", CONTAINERS_REGISTRIES_CONF: "" };
  const nothing = { mirrors: new Map(), hostsDir: undefined };
  expect(mirrorSettings({ hostsDir: "" }, empty)).toMatchObject(nothing);
  expect(mirrorSettings({ useDockerDaemonConfig: true }, {}).dockerDaemonConfig).toBe(
    "/etc/docker/daemon.json",
  );
});

test.each<[string, PullSandboxImageOptions, Readonly<Record<string, string>>, string]>([
  [
    "no URL",
    { registryMirrors: ["a.example"] },
    {},
    'registryMirrors: the mirror "a.example" is no URL',
  ],
  [
    "a login",
    { mirrors: { r: ["https://u:fake-secret@a"] } },
    {},
    "mirrors: a mirror's URL holds a user",
  ],
  [
    "no host",
    { mirrors: { "a/b": ["https://a.example"] } },
    {},
    'mirrors: "a/b" is no registry\'s host',
  ],
  ["no URL in the variable", {}, { ROOTLIFT_REGISTRY_MIRRORS: "x" }, 'the mirror "x" is no URL'],
])("%s is refused, and no password printed", (_, options, env, message) => {
  const error = importErrorOf(() => mirrorSettings(options, env));
  expect(error.code).toBe(
    "ROOTLIFT_REGISTRY_MIRRORS" in env ? "ERR_CONFIG_INVALID" : "ERR_OPTION_INVALID",
  );
  expect(error.message).toContain(message);
  expect(inspect(error)).not.toContain("fake-secret");
});
