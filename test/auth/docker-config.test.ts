import fc from "fast-check";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import {
  chooseHelper,
  findStoredLogin,
  parseDockerConfig,
  readConfigText,
  type DockerConfig,
} from "../../src/auth/docker-config.ts";
import { outcomeOf } from "../support/import-error.ts";
import { makeHelperHome, type HelperHome } from "../support/fake-helpers.ts";

const LABEL = "~/.docker/config.json";
const SIGNAL = new AbortController().signal;

function parse(document: unknown, dockerRules = true): DockerConfig {
  const text = typeof document === "string" ? document : JSON.stringify(document);
  return parseDockerConfig(text, LABEL, dockerRules);
}

function entry(fields: unknown): () => ReturnType<typeof findStoredLogin> {
  return () => findStoredLogin(parse({ auths: { "r.example": fields } }), "r.example", "a/b");
}

function base64(text: string | Uint8Array): string {
  return Buffer.from(text).toString("base64");
}

function configError(message: RegExp): unknown {
  return expect.objectContaining({
    code: "ERR_CONFIG_INVALID",
    message: expect.stringMatching(message),
  });
}

test.each([
  [{ auths: [] }, /auths/],
  [{ auths: "x" }, /auths/],
  [{ credHelpers: [1] }, /credHelpers/],
  [{ credHelpers: 0 }, /credHelpers/],
  [{ credsStore: 5 }, /credsStore/],
  ["[]", /no object/],
  ['"hunter2"', /no object/],
  ["{} x", /not JSON \(line 1, column 4\)/],
  ['{\n"auths": {"r.example": {"auth": "hunter2}}}', /not JSON \(line 2, column 33\)/],
])(
  "a config that is wrong is refused with its name and without its content (%#)",
  (text, message) => {
    expect(() => parse(text)).toThrow(configError(message));
    expect(() => parse(text)).toThrow(configError(/^~\/\.docker\/config\.json /));
    expect(() => parse(text)).not.toThrow(/hunter2/);
  },
);

test.each(["", " \n", "{}", '{"auths": null, "credHelpers": null, "credsStore": null}'])(
  "the config %j holds nothing",
  (text) => {
    const config = parse(text);
    expect(findStoredLogin(config, "r.example", "a/b")).toBeUndefined();
    expect(chooseHelper(config, "r.example")).toBeUndefined();
  },
);

test.each([
  [{ auth: base64("u:a:b:c") }, { kind: "basic", username: "u", secret: "a:b:c" }],
  [{ auth: base64("u:fake\0\0") }, { kind: "basic", username: "u", secret: "fake" }],
  [{ auth: base64("u:fa\0ke") }, { kind: "basic", username: "u", secret: "fa\0ke" }],
  [
    { auth: base64("u:fake").replace(/^..../, "$&\r\n") },
    { kind: "basic", username: "u", secret: "fake" },
  ],
  [{ auth: base64("\uFEFFu:fake") }, { kind: "basic", username: "\uFEFFu", secret: "fake" }],
  [
    { auth: "", username: "u", password: "fake" },
    { kind: "basic", username: "u", secret: "fake" },
  ],
  [
    { auth: base64("u:"), identitytoken: "fake-i" },
    { kind: "identity-token", username: "u", secret: "fake-i" },
  ],
  [
    { auth: base64(":"), identitytoken: "fake-i" },
    { kind: "identity-token", secret: "fake-i" },
  ],
  [
    { registrytoken: "fake-r", identitytoken: "fake-i" },
    { kind: "registry-token", secret: "fake-r" },
  ],
])("an entry is read (%#)", (fields, expected) => {
  const login = entry(fields)();
  const credentials = login?.credentials;
  const secret = credentials?.kind === "basic" ? credentials.password : credentials?.token;
  expect({ kind: credentials?.kind, username: login?.username, secret }).toEqual({
    username: undefined,
    ...expected,
  });
});

test.each([
  {},
  null,
  { auth: base64("u:") },
  { auth: base64("u:\0\0") },
  { username: "u" },
  { password: "fake" },
])("an entry without a secret is none (%#)", (fields) => {
  expect(entry(fields)()).toBeUndefined();
});

test.each([
  [{ auth: "***" }, /base64/],
  [{ auth: base64("u:fake1").replaceAll("=", "") }, /base64/],
  [{ auth: "dTpmYWtl_w==" }, /base64/],
  [{ auth: base64(":fake") }, /without a user/],
  [{ auth: base64("fake") }, /colon/],
  [{ auth: base64(Buffer.from([0x75, 0x3a, 0xff])) }, /UTF-8/],
  [{ auth: 5 }, /no string/],
  [{ registrytoken: "fake\r\nX: y" }, /registrytoken/],
  [[], /no object/],
  ["fake", /no object/],
])("an entry that cannot be used is an error that names its key (%#)", (fields, message) => {
  expect(entry(fields)).toThrow(configError(message));
  expect(entry(fields)).toThrow(configError(/auths "r\.example"/));
});

test("any entry gives a login, none, or an ImportError", () => {
  const field = fc.constantFrom("auth", "username", "password", "identitytoken", "registrytoken");
  const value = fc.oneof(
    fc.jsonValue(),
    fc.string(),
    fc.string().map((text) => base64(`u:${text}`)),
  );
  fc.assert(
    fc.property(fc.oneof(fc.dictionary(field, value), fc.jsonValue()), (fields) => {
      const outcome = outcomeOf(() => {
        const credentials = entry(fields)()?.credentials;
        expect(credentials?.kind === "basic" ? credentials.password : "none").not.toBe("");
      });
      expect(["ok", "ERR_CONFIG_INVALID"]).toContain(outcome);
    }),
  );
});

test("an entry without a secret leaves the field to the next key", () => {
  const config = parse({
    auths: { "r.example": {}, "https://r.example": { auth: base64("u:fake") } },
  });
  expect(findStoredLogin(config, "r.example", "a/b")?.key).toBe("https://r.example");
});

test("a host called like a property of objects has no login by that", () => {
  const config = parse({ auths: {}, credHelpers: {} });
  for (const host of ["constructor", "__proto__", "toString"]) {
    expect(findStoredLogin(config, host, "a/b")).toBeUndefined();
    expect(chooseHelper(config, host)).toBeUndefined();
  }
});

test("a helper listed for a host is the only one, and is asked for the key it is listed under", () => {
  const config = parse({
    credHelpers: { "R.example": "one", "docker.io": "hub" },
    credsStore: "all",
  });
  expect(chooseHelper(config, "r.example")).toEqual({
    name: "one",
    serverUrl: "R.example",
    configuredBy: 'credHelpers "R.example" of ~/.docker/config.json',
  });
  expect(chooseHelper(config, "docker.io")).toMatchObject({ name: "hub", serverUrl: "docker.io" });
  expect(chooseHelper(config, "a.r.example")).toMatchObject({
    name: "all",
    serverUrl: "a.r.example",
  });
  expect(chooseHelper(parse({ credsStore: "all" }), "docker.io")).toMatchObject({
    serverUrl: "https://index.docker.io/v1/",
    configuredBy: "credsStore of ~/.docker/config.json",
  });
});

test("an empty name under credHelpers switches the store off for that host", () => {
  const config = parse({ credHelpers: { "r.example": "" }, credsStore: "all" });
  expect(chooseHelper(config, "r.example")).toBeUndefined();
  expect(chooseHelper(config, "other.example")).toMatchObject({ name: "all" });
});

test.each([
  ["../../bin/evil", /credsStore/],
  ["a/b", /credsStore/],
  [String.raw`a\b`, /credsStore/],
  ["a\0b", /credsStore/],
])("the helper name %j is refused", (name, message) => {
  expect(() => chooseHelper(parse({ credsStore: name }), "r.example")).toThrow(
    configError(message),
  );
  const listed = parse({ credHelpers: { "r.example": name } });
  expect(() => chooseHelper(listed, "r.example")).toThrow(configError(/credHelpers "r\.example"/));
});

test("a helper name that is no string matters only to its host", () => {
  const config = parse({ credHelpers: { "r.example": 5 } });
  expect(() => chooseHelper(config, "r.example")).toThrow(configError(/credHelpers/));
  expect(chooseHelper(config, "other.example")).toBeUndefined();
});

let home: HelperHome;
beforeEach(async () => {
  home = await makeHelperHome();
});
afterEach(async () => {
  await home.remove();
});

test("a file is read whole, without its byte order mark", async () => {
  await home.write("a.json", "\uFEFF{}");
  expect(await readConfigText(join(home.root, "a.json"), "a", SIGNAL)).toBe("{}");
});

test("no file, and a file where a folder should be, are no config", async () => {
  await home.write("a.json", "{}");
  expect(await readConfigText(join(home.root, "none.json"), "a", SIGNAL)).toBeUndefined();
  expect(await readConfigText(join(home.root, "a.json/x"), "a", SIGNAL)).toBeUndefined();
});

test("a folder, and a file of more than a MiB, are refused", async () => {
  await mkdir(join(home.root, "folder"));
  await home.write("large.json", " ".repeat((1 << 20) + 1));
  await home.write("full.json", " ".repeat(1 << 20));
  const read = async (name: string) => readConfigText(join(home.root, name), name, SIGNAL);
  await expect(read("folder")).rejects.toEqual(configError(/^folder cannot be read \(EISDIR\)/));
  await expect(read("large.json")).rejects.toEqual(configError(/larger than 1048576 bytes/));
  expect((await read("full.json"))?.length).toBe(1 << 20);
});

test("a device without an end is refused, not read", async () => {
  await expect(readConfigText("/dev/zero", "zero", SIGNAL)).rejects.toEqual(configError(/larger/));
});

test("an aborted signal is no unreadable file", async () => {
  await home.write("a.json", "{}");
  const reading = readConfigText(join(home.root, "a.json"), "a", AbortSignal.abort());
  await expect(reading).rejects.toMatchObject({ code: "ERR_CANCELLED" });
});
