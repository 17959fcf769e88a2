import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { inspect } from "node:util";
import fc from "fast-check";
import { expect, test } from "vitest";
import { ImportError } from "../../../src/errors.ts";
import { parseReference } from "../../../src/oci/parse-reference.ts";
import { parseHostsToml } from "../../../src/registry/mirrors/hosts-toml.ts";
import type { MirrorUrl, PullHost, PullHosts } from "../../../src/registry/mirrors/pull-host.ts";
import { parseMirrorUrl } from "../../../src/registry/mirrors/pull-host.ts";
import {
  findConfRegistry,
  hostsOfConfRegistry,
  parseRegistriesConf,
} from "../../../src/registry/mirrors/registries-conf.ts";
import type { MirrorSettings } from "../../../src/registry/mirrors/resolve-hosts.ts";
import { resolveHosts } from "../../../src/registry/mirrors/resolve-hosts.ts";
import { importErrorFrom } from "../../support/import-error.ts";
import { scratchDirectory } from "../../support/scratch.ts";
import { selfSignedCertificate } from "../../support/self-signed-certificate.ts";

const DIGEST = `sha256:${"a".repeat(64)}`;

function filesIn(files: Readonly<Record<string, string>>): string {
  const root = scratchDirectory();
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, name)), { recursive: true });
    writeFileSync(join(root, name), text);
  }
  return root;
}

async function hostsOf(
  reference: string,
  settings: Partial<MirrorSettings>,
  manners = { plainHttp: false, insecure: false },
): Promise<PullHosts> {
  return resolveHosts(parseReference(reference), { mirrors: new Map(), ...settings }, manners);
}

/** What a request for a manifest would look like, and what may be asked: `http://host/v2/a/manifests?ns=… (tag, digest)`. */
function hostLine({ scheme, apiHost, basePath, repository, query, ...host }: PullHost): string {
  const may = [host.byTag ? "tag" : [], host.byDigest ? "digest" : []].flat().join(", ");
  const as = host.name === apiHost ? "" : ` as ${host.name}`;
  const insecure = host.insecure ? " insecure" : "";
  const suffix = query === "" ? "" : `?${query}`;
  return `${scheme ?? "?"}://${apiHost}${basePath}/${repository}${suffix}${as} (${may})${insecure}`;
}

function linesOf({ mirrors, registry }: PullHosts): readonly string[] {
  return [...mirrors, registry].map(hostLine);
}

function urlOf(text: string): MirrorUrl {
  const url = parseMirrorUrl(text);
  if (typeof url === "string") throw new Error(url);
  return url;
}

async function tomlHosts(
  text: string,
  reference = "docker.io/library/alpine",
  folder = "docker.io",
): Promise<readonly string[]> {
  return linesOf(
    await hostsOf(reference, { hostsDir: filesIn({ [`${folder}/hosts.toml`]: text }) }),
  );
}

async function confHosts(text: string, reference: string): Promise<readonly string[]> {
  const root = filesIn({ "registries.conf": text });
  return linesOf(await hostsOf(reference, { registriesConf: join(root, "registries.conf") }));
}

const HUB = "?://registry-1.docker.io/v2/library/alpine as docker.io (tag, digest)";

test.each([
  ["https://m.example", { scheme: "https", host: "m.example", path: "" }],
  ["HTTP://M.example:80/", { scheme: "http", host: "m.example", path: "" }],
  ["https://m.example:5000/a//b/../c/", { scheme: "https", host: "m.example:5000", path: "/a/c" }],
  ["http://[::1]:5000", { scheme: "http", host: "[::1]:5000", path: "" }],
  ["m.example", "is no URL that begins with http:// or https://"],
  ["ftp://m.example", "is no URL that begins with http:// or https://"],
  ["https://", "is no URL that begins with http:// or https://"],
  ["https://m.example/?a", "has a query or a fragment"],
  ["https://u:p@m.example", "holds a user or password; store the login with `docker login`"],
  ["https://m.example/%2e%2e", "has a path with characters that no registry has"],
])("the URL of a mirror: %s", (text, expected) => {
  expect(parseMirrorUrl(text)).toEqual(expected);
});

test("our own mirrors come first, in their order, and only for their registry", async () => {
  const mirrors = new Map([
    [
      "docker.io",
      [urlOf("https://a.example"), urlOf("http://b.example:5000/v2/hub"), urlOf("http://c/x/v2")],
    ],
  ]);
  expect(linesOf(await hostsOf("alpine", { mirrors }))).toEqual([
    "https://a.example/v2/library/alpine (tag, digest)",
    "http://b.example:5000/v2/hub/v2/library/alpine (tag, digest)",
    "http://c/x/v2/library/alpine (tag, digest)",
    HUB,
  ]);
  expect(linesOf(await hostsOf("GHCR.io/a/b", { mirrors }))).toEqual([
    "?://GHCR.io/v2/a/b (tag, digest)",
  ]);
  // A registry that has mirrors there is not looked for elsewhere: the folder does not even exist.
  const hosts = await hostsOf(
    "alpine",
    { mirrors, hostsDir: "/nonexistent" },
    { plainHttp: true, insecure: true },
  );
  expect(linesOf(hosts).at(-1)).toBe(
    "http://registry-1.docker.io/v2/library/alpine as docker.io (tag, digest) insecure",
  );
});

test("hosts.toml: order, capabilities, paths, the server; others are told the registry's name", async () => {
  const text = `
    server = "https://registry-1.docker.io"
    [host."https://z.example"]
      capabilities = ["pull", "resolve"]
    [host."http://a.example:5000/v2/proxy-hub"]
      capabilities = ["Pull"]
      override_path = true
      skip_verify = true
    [host."b.example/sub"]
    [host."https://c.example/api"]
      override_path = true
      dial_timeout = "1s"
    [host."https://push.example"]
      capabilities = ["push"]
  `;
  expect(await tomlHosts(text)).toEqual([
    "https://z.example/v2/library/alpine?ns=docker.io (tag, digest)",
    "http://a.example:5000/v2/proxy-hub/library/alpine?ns=docker.io (digest) insecure",
    "https://b.example/sub/v2/library/alpine?ns=docker.io (tag, digest)",
    "https://c.example/api/library/alpine?ns=docker.io (tag, digest)",
    "https://registry-1.docker.io/v2/library/alpine as docker.io (tag, digest)",
  ]);
  expect(await tomlHosts("# nothing")).toEqual([HUB]);
  expect(await tomlHosts('capabilities = ["push"]\n[host."https://a.example"]')).toEqual([
    "https://a.example/v2/library/alpine?ns=docker.io (tag, digest)",
    "?://registry-1.docker.io/v2/library/alpine as docker.io ()",
  ]);
  const twin = `
    server = "https://docker.io"
    [host."https://a.example"]
    [host."https://registry-1.docker.io"]
      capabilities = ["pull", "resolve"]
  `;
  expect(await tomlHosts(twin)).toEqual([
    "https://a.example/v2/library/alpine?ns=docker.io (tag, digest)",
    "https://registry-1.docker.io/v2/library/alpine as docker.io (tag, digest)",
  ]);
  expect(await tomlHosts('server = "http://other.example/x"')).toEqual([
    "http://other.example/x/v2/library/alpine?ns=docker.io (tag, digest)",
  ]);
});

test.each(["Reg.example:5000", "reg.example_5000_", "_default"])(
  "hosts.toml is found in %s",
  async (folder) => {
    const toml = '[host."https://m.example"]';
    expect((await tomlHosts(toml, "reg.example:5000/a", folder))[0]).toBe(
      "https://m.example/v2/a?ns=reg.example%3A5000 (tag, digest)",
    );
    expect(await tomlHosts(toml, "other.example/a", folder)).toHaveLength(
      folder === "_default" ? 2 : 1,
    );
  },
);

test("hosts.toml: headers are kept from whoever prints the host; certificates are read from beside the file", async () => {
  const { certificatePem, keyPem } = selfSignedCertificate({ names: ["m.example"] });
  const root = filesIn({
    "docker.io/hosts.toml": `
      [host."https://m.example"]
        ca = ["ca.pem"]
        client = [["ca.pem", "key.pem"]]
        [host."https://m.example".header]
          X-Token = "fake-header-secret"
          x-two = ["a", "b"]
    `,
    "docker.io/ca.pem": certificatePem,
    "docker.io/key.pem": keyPem,
  });
  const [mirror] = (await hostsOf("alpine", { hostsDir: root })).mirrors;
  expect(mirror?.headers).toEqual({ "x-token": "fake-header-secret", "x-two": "a, b" });
  expect(mirror?.certificates).toEqual({
    authorities: [certificatePem],
    clientPairs: [
      { path: join(root, "docker.io/ca.pem"), certificate: certificatePem, key: keyPem },
    ],
  });
  expect(inspect(mirror) + JSON.stringify(mirror)).not.toContain("fake-header-secret");
});

test.each([
  ['server = "https://x"\nserver = 1', 2, "no TOML: trying to redefine"],
  ["server = 1", 1, "server must be a string"],
  ['\nserver = "https://a b"', 2, "server is no URL"],
  ["host = 1", 1, 'host must be tables, [host."NAME"]'],
  ['\n\n[host."ftp://x"]', 3, "the host is no URL"],
  ['[host."https://x"]\n\n  capabilities = ["pul"]', 3, '"pul" is none of pull, resolve, push'],
  [
    '[host."https://x"]\n[host."https://y"]\n skip_verify = "no"',
    3,
    "skip_verify must be true or false",
  ],
  ['[host."https://x"] # one\nca = 1', 2, "ca must be a string, or an array of strings"],
  ['[host."https://x"]\nca = "none.pem"', 2, "none.pem is missing or empty"],
  ['[host."https://x"]\nca = "hosts.toml"', 2, "hosts.toml holds no certificate (PEM)"],
  ['[host."https://x"]\nclient = [["a", "b", "c"]]', 2, "client must be a file"],
  ['[host."https://x".header]\nRange = "a"', 2, "the header Range cannot be set"],
  [
    '[host."https://x".header]\nx = """fake-secret\nx"""',
    2,
    "the value of the header x is malformed",
  ],
  ['[host."https://x".header]\nAuthorization = "fake-secret', 2, "no TOML: unfinished string"],
])("a wrong hosts.toml is refused with its line: %s", async (text, line, why) => {
  const error = await importErrorFrom(tomlHosts(text));
  expect(error).toMatchObject({
    code: "ERR_CONFIG_INVALID",
    message: expect.stringMatching(/docker\.io\/hosts\.toml, line \d+: /),
    details: { line },
  });
  expect(error.message).toContain(why);
  expect(inspect(error)).not.toContain("fake-secret");
});

test("registries.conf: the longest prefix wins, and its location takes the prefix's place", async () => {
  const conf = `
    unqualified-search-registries = ["quay.io"]
    [[registry]]
    location = "docker.io"
    [[registry.mirror]]
    location = "mirror.example/hub/"
    [[registry.mirror]]
    location = "b.example:5000"
    insecure = true
    [[registry]]
    prefix = "quay.io/org"
    location = "internal.example/quay"
    insecure = true
    [[registry]]
    prefix = "*.corp.example"
    [[registry.mirror]]
    location = "cache.example"
    [[registry]]
    prefix = "a.corp.example/team"
    location = "docker.io/team"
  `;
  expect(await confHosts(conf, "alpine")).toEqual([
    "?://mirror.example/v2/hub/library/alpine (tag, digest)",
    "?://b.example:5000/v2/library/alpine (tag, digest) insecure",
    HUB,
  ]);
  expect(await confHosts(conf, "quay.io/org/app:1")).toEqual([
    "?://internal.example/v2/quay/app (tag, digest) insecure",
  ]);
  expect(await confHosts(conf, "a.corp.example/x")).toEqual([
    "?://cache.example/v2/x (tag, digest)",
    "?://a.corp.example/v2/x (tag, digest)",
  ]);
  expect(await confHosts(conf, "a.corp.example/team/x")).toEqual([
    "?://registry-1.docker.io/v2/team/x as docker.io (tag, digest)",
  ]);
  for (const other of ["quay.io/organ/app", "quay.io/x", "corp.example/x", "docker.io:5000/x"]) {
    expect(await confHosts(conf, other)).toHaveLength(1);
    expect((await confHosts(conf, other))[0]).toContain(`/v2/${other.replace(/^[^/]*\//, "")}`);
  }
});

test("registries.conf: mirrors for tags, for digests, for both", async () => {
  const conf = `
    [[registry]]
    location = "r.example"
    [[registry.mirror]]
    location = "all.example"
    pull-from-mirror = "all"
    [[registry.mirror]]
    location = "digest.example"
    pull-from-mirror = "digest-only"
    [[registry.mirror]]
    location = "tag.example"
    pull-from-mirror = "tag-only"
    [[registry]]
    location = "d.example"
    mirror-by-digest-only = true
    [[registry.mirror]]
    location = "m.example"
  `;
  const kinds = async (reference: string): Promise<string> =>
    (await confHosts(conf, reference))
      .map((text) => text.replace(/\?:\/\/(\w+).*(\(.*)/, "$1 $2"))
      .join("; ");
  expect(await kinds("r.example/x:1")).toBe(
    "all (tag, digest); digest (digest); tag (tag, digest); r (tag, digest)",
  );
  expect(await kinds(`r.example/x@${DIGEST}`)).toBe(
    "all (tag, digest); digest (digest); r (tag, digest)",
  );
  expect(await kinds("d.example/x:1")).toBe("m (digest); d (tag, digest)");
});

test.each([
  ["[[registry]]\ninsecure = true", 1, "a registry needs a location or a prefix"],
  [
    '[[registry]]\nlocation = "a.example"\n[[registry]]\nlocation = "https://x"',
    4,
    "location must be HOST",
  ],
  [
    '[[registry]]\nlocation = "a.example"\n[[registry.mirror]]\ninsecure = true',
    3,
    "a mirror needs a location",
  ],
  [
    '[[registry]]\nlocation = "r.example"\n[[registry.mirror]]\nlocation = "m.example"\n[[registry.mirror]]\nlocation = "hub"',
    6,
    'the location makes "hub/x:latest"',
  ],
  [
    '[[registry]]\nlocation = "r.example"\n[[registry.mirror]]\nlocation = "m.example"\npull-from-mirror = "no"',
    5,
    "pull-from-mirror must be all",
  ],
  [
    '[[registry]]\nlocation = "r.example"\nmirror-by-digest-only = true\n[[registry.mirror]]\nlocation = "m.example"\npull-from-mirror = "all"',
    6,
    "exclude each other",
  ],
  ['[[registry]]\nlocation = "r.example"\nblocked = true', 3, '"r.example" is blocked there'],
  ["registry = 1", 1, "registry must be tables, [[registry]]"],
  ['[registries.search]\nregistries = ["docker.io"]', 1, "version 1"],
])("a wrong registries.conf is refused with its line: %s", async (text, line, why) => {
  expect(await importErrorFrom(confHosts(text, "r.example/x"))).toMatchObject({
    code: "ERR_CONFIG_INVALID",
    message: expect.stringMatching(
      new RegExp(`registries\\.conf, line ${line}: .*${why.replaceAll(/[[\]"]/g, ".")}`),
    ),
  });
});

test("docker's daemon.json has mirrors of the Hub, and may be missing", async () => {
  const text = '{\n  "debug": true,\n  "registry-mirrors": [\n    "https://a.example/"\n  ]\n}';
  const file = join(filesIn({ "daemon.json": text }), "daemon.json");
  expect(linesOf(await hostsOf("alpine", { dockerDaemonConfig: file }))).toEqual([
    "https://a.example/v2/library/alpine (tag, digest)",
    HUB,
  ]);
  expect(linesOf(await hostsOf("quay.io/x/y", { dockerDaemonConfig: file }))).toHaveLength(1);
  expect(linesOf(await hostsOf("alpine", { dockerDaemonConfig: `${file}.none` }))).toEqual([HUB]);
  const wrong = [
    [text.replace("https://a.example/", "a.example"), 4, "a mirror is no URL"],
    [text.replace('"https://a.example/"', "1"), 3, "a mirror is no string"],
    ['{"registry-mirrors": 1}', 1, "registry-mirrors must be an array"],
    ['{\n"a": }', 2, "no JSON"],
    ["[]", 1, "no JSON object"],
  ] as const;
  for (const [content, line, why] of wrong) {
    writeFileSync(file, content);
    expect(await importErrorFrom(hostsOf("alpine", { dockerDaemonConfig: file }))).toMatchObject({
      code: "ERR_CONFIG_INVALID",
      message: expect.stringContaining(`daemon.json, line ${line}: ${why}`),
    });
  }
});

const WORDS = [
  "[[registry]]\n",
  "[[registry.mirror]]\n",
  '[host."https://m.example"]\n',
  '[host."https://m.example".header]\n',
  'location = "r.example"\n',
  'location = "m.example/a"\n',
  'prefix = "*.example"\n',
  'prefix = "r.example/x"\n',
  "insecure = true\n",
  "blocked = false\n",
  'pull-from-mirror = "tag-only"\n',
  'server = "https://s.example/v2/x"\n',
  'capabilities = ["pull"]\n',
  "capabilities = 1\n",
  "override_path = true\n",
  'x = "\\u0000"\n',
  "__proto__ = 1\n",
  "= ",
  "[",
  "]",
  '"',
  "#",
  "\n",
];

/** `none`: it raised none. Any other error escapes. */
function lineOfError(run: () => unknown): unknown {
  try {
    run();
    return "none";
  } catch (error) {
    if (error instanceof ImportError && error.code === "ERR_CONFIG_INVALID") {
      return error.details["line"];
    }
    throw error;
  }
}

test("whatever stands in a file, it makes hosts or an error with its line", () => {
  const reference = parseReference("r.example/x:1");
  const manners = { plainHttp: false, insecure: false };
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...WORDS), { maxLength: 12 }), (words) => {
      const text = words.join("");
      const runs = [
        () => parseHostsToml(text, "f"),
        () => {
          const registry = findConfRegistry(parseRegistriesConf(text, "f"), reference);
          return registry === undefined ? [] : hostsOfConfRegistry(registry, reference, manners);
        },
      ];
      const lines = text.split("\n").length;
      for (const run of runs)
        expect(lineOfError(run)).toBeOneOf([
          "none",
          ...Array.from({ length: lines }, (_, index) => index + 1),
        ]);
    }),
    { numRuns: 300 },
  );
});

test("a folder or file that is named and not there is an error, not an absence", async () => {
  for (const settings of [{ hostsDir: "/nonexistent/a" }, { registriesConf: "/nonexistent/a" }]) {
    expect(await importErrorFrom(hostsOf("alpine", settings))).toMatchObject({
      code: "ERR_CONFIG_INVALID",
      message: "/nonexistent/a is not there, or cannot be read",
    });
  }
});
