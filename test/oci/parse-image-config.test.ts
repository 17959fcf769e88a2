import fc from "fast-check";
import { expect, test } from "vitest";
import type { ImportError } from "../../src/errors.ts";
import { DEFAULT_LIMITS } from "../../src/limits.ts";
import type { ImageConfig } from "../../src/oci/image.ts";
import { parseImageConfig } from "../../src/oci/parse-image-config.ts";
import { importErrorOf, outcomeOf } from "../support/import-error.ts";

const DIFF_ID = `sha256:${"2".repeat(64)}`;
const MINIMAL = {
  architecture: "amd64",
  os: "linux",
  rootfs: { type: "layers", diff_ids: [DIFF_ID] },
};

function parse(document: unknown, layers = 1): ImageConfig {
  const text = typeof document === "string" ? document : JSON.stringify(document);
  return parseImageConfig(Buffer.from(text), {
    layers,
    what: "the config",
    limits: DEFAULT_LIMITS,
  });
}

function refused(document: unknown, layers = 1): ImportError {
  const error = importErrorOf(() => parse(document, layers));
  expect(error.code).toBe("ERR_MANIFEST_INVALID");
  return error;
}

const RUN_KEYS = [
  "User",
  "Env",
  "Entrypoint",
  "Cmd",
  "WorkingDir",
  "Labels",
  "ExposedPorts",
  "Volumes",
  "StopSignal",
] as const;

test("all that a sandbox needs is read", () => {
  const config = {
    User: "1000:1000",
    Env: ["PATH=/bin", "EMPTY="],
    Entrypoint: ["/entry"],
    Cmd: ["-v"],
    WorkingDir: "/srv",
    Labels: { a: "b" },
    ExposedPorts: { "80/tcp": {} },
    Volumes: { "/data": {} },
    StopSignal: "SIGINT",
  };
  expect(parse({ ...MINIMAL, variant: "v2", created: "2024-01-01T00:00:00Z", config })).toEqual({
    platform: { os: "linux", architecture: "amd64", variant: "v2" },
    diffIds: [{ text: DIFF_ID, algorithm: "sha256", hex: "2".repeat(64) }],
    created: "2024-01-01T00:00:00Z",
    user: "1000:1000",
    env: ["PATH=/bin", "EMPTY="],
    entrypoint: ["/entry"],
    cmd: ["-v"],
    workingDir: "/srv",
    labels: { a: "b" },
    exposedPorts: ["80/tcp"],
    volumes: ["/data"],
    stopSignal: "SIGINT",
  });
});

test("null, absent and empty are the same", () => {
  const nothing = { env: [], labels: {}, exposedPorts: [], volumes: [] };
  const nulls = Object.fromEntries(RUN_KEYS.map((key) => [key, null]));
  const empty = {
    User: "",
    Env: [],
    Entrypoint: [],
    Cmd: [],
    WorkingDir: "",
    Labels: {},
    StopSignal: "",
  };
  for (const config of [undefined, null, {}, nulls, empty]) {
    const { platform: _, diffIds: __, ...rest } = parse({ ...MINIMAL, config });
    expect(rest).toEqual(nothing);
  }
});

test("a command that is a text is a list of one, as docker reads it", () => {
  expect(parse({ ...MINIMAL, config: { Cmd: "/bin/sh", Entrypoint: "" } }).cmd).toEqual([
    "/bin/sh",
  ]);
});

test("no layers and no diff_ids is an image", () => {
  expect(parse({ ...MINIMAL, rootfs: { type: "layers", diff_ids: null } }, 0).diffIds).toEqual([]);
});

test("history does not count: diff_ids must be as many as layers", () => {
  const history = [{ empty_layer: true }, {}];
  expect(refused({ ...MINIMAL, history }, 2).message).toMatch(/1 diff_ids for the 2 layers/);
  expect(refused(MINIMAL, 0).message).toMatch(/1 diff_ids for the 0 layers/);
});

test("an old config without a platform is linux on an unknown architecture", () => {
  expect(parse({ rootfs: MINIMAL.rootfs }).platform).toEqual({
    os: "linux",
    architecture: "unknown",
  });
});

test.each([
  ["no JSON", "{not json", /JSON/],
  ["no object", "[]", /no JSON object/],
  ["no rootfs", { os: "linux" }, /rootfs/],
  ["another rootfs", { ...MINIMAL, rootfs: { ...MINIMAL.rootfs, type: "layers+base" } }, /rootfs/],
  [
    "a diff_id of md5",
    { ...MINIMAL, rootfs: { type: "layers", diff_ids: ["md5:00"] } },
    /diff_id 1/,
  ],
  [
    "a diff_id that is no text",
    { ...MINIMAL, rootfs: { type: "layers", diff_ids: [1] } },
    /diff_ids/,
  ],
  ["an Env that is a text", { ...MINIMAL, config: { Env: "A=1" } }, /Env/],
  ["a User that is a number", { ...MINIMAL, config: { User: 0 } }, /User/],
  ["a config that is a list", { ...MINIMAL, config: [] }, /config/],
])("a config with %s is refused", (_, document, message) => {
  expect(refused(document).message).toMatch(message);
});

test("a config above the limit is refused", () => {
  expect(refused(" ".repeat(DEFAULT_LIMITS.configBytes + 1)).message).toMatch(/8388608/);
});

test("a label named __proto__ is a label", () => {
  const text = JSON.stringify(MINIMAL).replace("{", '{"config":{"Labels":{"__proto__":"x"}},');
  expect(Object.entries(parse(text).labels)).toEqual([["__proto__", "x"]]);
});

test("any field replaced by anything gives a config or ERR_MANIFEST_INVALID", () => {
  const key = fc.constantFrom(...RUN_KEYS);
  const top = fc.constantFrom(
    "os",
    "architecture",
    "variant",
    "os.features",
    "rootfs",
    "config",
    "created",
  );
  fc.assert(
    fc.property(key, top, fc.jsonValue(), (field, other, value) => {
      for (const change of [{ config: { [field]: value } }, { [other]: value }]) {
        const outcome = outcomeOf(() => parse({ ...MINIMAL, ...change }));
        expect(["ok", "ERR_MANIFEST_INVALID"]).toContain(outcome);
      }
    }),
    { numRuns: 500 },
  );
});
