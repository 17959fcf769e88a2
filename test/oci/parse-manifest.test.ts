import fc from "fast-check";
import { expect, test } from "vitest";
import { ImportError } from "../../src/errors.ts";
import { DEFAULT_LIMITS } from "../../src/limits.ts";
import {
  DOCKER_CONFIG,
  DOCKER_INDEX,
  DOCKER_MANIFEST,
  OCI_CONFIG,
  OCI_INDEX,
  OCI_MANIFEST,
} from "../../src/oci/media-types.ts";
import type { ImageIndex, ImageManifest } from "../../src/oci/parse-manifest.ts";
import { parseManifest } from "../../src/oci/parse-manifest.ts";
import { digestOf } from "../../src/oci/verify-bytes.ts";
import { importErrorOf, outcomeOf } from "../support/import-error.ts";

type Json = Record<string, unknown>;

const ONE = `sha256:${"1".repeat(64)}`;
const CONFIG = { mediaType: OCI_CONFIG, digest: ONE, size: 2 };
const LAYER = { mediaType: "application/vnd.oci.image.layer.v1.tar+gzip", digest: ONE, size: 3 };
const MANIFEST: Json = { schemaVersion: 2, config: CONFIG, layers: [LAYER] };

function parse(document: unknown, mediaType?: string): ImageIndex | ImageManifest {
  const text = typeof document === "string" ? document : JSON.stringify(document);
  return parseManifest(Buffer.from(text), {
    mediaType,
    what: "the manifest",
    limits: DEFAULT_LIMITS,
  });
}

function refused(document: unknown, mediaType?: string): ImportError {
  return importErrorOf(() => parse(document, mediaType));
}

test.each([
  ["nothing", undefined],
  ["the OCI type", OCI_MANIFEST],
  [
    "the Docker type with parameters, in capitals",
    `${DOCKER_MANIFEST.toUpperCase()}; charset=utf-8`,
  ],
  ["a vague type", "application/json"],
  ["a type of a file server", "binary/octet-stream"],
])("a manifest announced as %s is one", (_, mediaType) => {
  expect(parse(MANIFEST, mediaType)).toMatchObject({ kind: "image", layers: [{ sizeBytes: 3 }] });
});

test.each([undefined, OCI_INDEX, DOCKER_INDEX, "text/plain"])(
  "an index announced as %s is one",
  (mediaType) => {
    const platform = { os: "linux", architecture: "arm64", variant: "v8" };
    const entry = { mediaType: OCI_MANIFEST, digest: ONE, size: 7, platform };
    const index = parse({ schemaVersion: 2, manifests: [entry] }, mediaType);
    expect(index).toMatchObject({
      kind: "index",
      entries: [{ platform: { os: "linux", architecture: "arm64" } }],
    });
  },
);

test("an entry whose platform has no architecture counts as one without a platform", () => {
  const entry = { mediaType: OCI_MANIFEST, digest: ONE, size: 7, platform: {} };
  expect(parse({ manifests: [entry, { ...entry, platform: null }] })).toEqual({
    kind: "index",
    entries: [
      { mediaType: OCI_MANIFEST, sizeBytes: 7, digest: expect.objectContaining({ text: ONE }) },
      { mediaType: OCI_MANIFEST, sizeBytes: 7, digest: expect.objectContaining({ text: ONE }) },
    ],
  });
});

test.each<[string, unknown, string | undefined, RegExp]>([
  ["an empty body", "", OCI_MANIFEST, /empty/],
  ["half of a document", '{"schemaVersion":2,"mediaType":"applic', OCI_MANIFEST, /JSON/],
  ["a list", [], undefined, /no JSON object/],
  ["a byte order mark", `\uFEFF${JSON.stringify(MANIFEST)}`, undefined, /JSON/],
  ["an error body", { errors: [] }, undefined, /neither a manifest nor an index/],
  ["a page under a manifest's type", "<html>", OCI_MANIFEST, /JSON/],
  ["types that differ", { ...MANIFEST, mediaType: OCI_INDEX }, OCI_MANIFEST, /calls itself/],
  [
    "Docker's type inside OCI's",
    { ...MANIFEST, mediaType: DOCKER_MANIFEST },
    OCI_MANIFEST,
    /calls itself/,
  ],
  ["layers and manifests together", { ...MANIFEST, manifests: [] }, undefined, /ambiguous/],
  ["a manifest with manifests", { ...MANIFEST, manifests: null }, OCI_MANIFEST, /ambiguous/],
  [
    "an index with a config",
    { schemaVersion: 2, manifests: [], config: CONFIG },
    OCI_INDEX,
    /ambiguous/,
  ],
  ["a manifest with fsLayers", { ...MANIFEST, fsLayers: [] }, OCI_MANIFEST, /ambiguous/],
  ["schemaVersion 3", { ...MANIFEST, schemaVersion: 3 }, undefined, /schemaVersion 3/],
  ["schemaVersion as text", { ...MANIFEST, schemaVersion: "2" }, undefined, /no number, not 2/],
  [
    "a schemaVersion a hundred thousand lists deep",
    `{"manifests":[],"schemaVersion":${"[".repeat(100_000)}${"]".repeat(100_000)}}`,
    undefined,
    /schemaVersion that is no number/,
  ],
  ["layers twice", '{"layers":[],"config":{},"layers":[]}', OCI_MANIFEST, /"layers" twice/],
  [
    "layers twice in another case",
    '{"layers":[],"config":{},"Layers":[]}',
    OCI_MANIFEST,
    /"Layers" twice/,
  ],
  [
    "layers twice, once escaped",
    '{"layers":[],"config":{},"\\u006cayers":[]}',
    OCI_MANIFEST,
    /"layers" twice/,
  ],
  [
    "manifests twice, once with the long s that Go takes for an s",
    '{"manifests":[],"manife\u017fts":[]}',
    undefined,
    /"manife\u017fts" twice/,
  ],
  [
    "a manifest with manifests in another case, which Go reads",
    { ...MANIFEST, Manifests: [] },
    OCI_MANIFEST,
    /"Manifests".*"manifests"/,
  ],
  [
    "an index with layers in another case, which Go reads",
    '{"manifests":[],"LAYERS":[]}',
    undefined,
    /"LAYERS".*"layers"/,
  ],
  [
    "a layer with a Digest beside its digest, which is the one that Go reads",
    { ...MANIFEST, layers: [{ ...LAYER, Digest: LAYER.digest }] },
    undefined,
    /layer 1 .*"Digest"/,
  ],
  [
    "an entry with a PLATFORM, which Go reads and we do not",
    { manifests: [{ ...LAYER, PLATFORM: { os: "linux", architecture: "arm64" } }] },
    undefined,
    /entry 1 .*"PLATFORM"/,
  ],
  [
    "a platform with an Architecture beside its architecture",
    { manifests: [{ ...LAYER, platform: { os: "linux", architecture: "a", Architecture: "b" } }] },
    undefined,
    /platform of entry 1 .*"Architecture"/,
  ],
  ["a SchemaVersion", { ...MANIFEST, SchemaVersion: 1 }, OCI_MANIFEST, /"SchemaVersion"/],
  [
    "mediaType twice",
    '{"mediaType":"a","manifests":[],"mediaType":"a"}',
    undefined,
    /"mediaType" twice/,
  ],
  ["no config", { layers: [] }, OCI_MANIFEST, /config.*no descriptor/],
  ["layers that are no list", { ...MANIFEST, layers: {} }, OCI_MANIFEST, /list of layers/],
  ["manifests that are no list", { manifests: {} }, undefined, /list of manifests/],
  [
    "a layer that is no object",
    { ...MANIFEST, layers: [null] },
    undefined,
    /layer 1 .*no descriptor/,
  ],
  [
    "a size below zero",
    { ...MANIFEST, layers: [{ ...LAYER, size: -1 }] },
    undefined,
    /layer 1 .*size/,
  ],
  [
    "a size that is no integer",
    { ...MANIFEST, layers: [{ ...LAYER, size: 1.5 }] },
    undefined,
    /size/,
  ],
  ["a size past 2^53", { ...MANIFEST, layers: [{ ...LAYER, size: 2 ** 60 }] }, undefined, /size/],
  ["a size as text", { ...MANIFEST, layers: [{ ...LAYER, size: "3" }] }, undefined, /size/],
  [
    "size 0 and the digest of something",
    { ...MANIFEST, layers: [{ ...LAYER, size: 0 }] },
    undefined,
    /size 0/,
  ],
  [
    "a digest that is a path",
    { ...MANIFEST, layers: [{ ...LAYER, digest: "sha256:../../x" }] },
    undefined,
    /digest of layer 1/,
  ],
  [
    "a digest of md5",
    { ...MANIFEST, config: { ...CONFIG, digest: `md5:${"0".repeat(32)}` } },
    undefined,
    /digest of the config/,
  ],
  [
    "data that is no base64",
    { ...MANIFEST, config: { ...CONFIG, data: "??" } },
    undefined,
    /base64/,
  ],
  [
    "a platform that is a text",
    { manifests: [{ ...CONFIG, platform: "linux" }] },
    undefined,
    /platform/,
  ],
])("%s is ERR_MANIFEST_INVALID", (_, document, mediaType, message) => {
  const error = refused(document, mediaType);
  expect(error.code).toBe("ERR_MANIFEST_INVALID");
  expect(error.message).toMatch(message);
});

test.each<[string, unknown, RegExp]>([
  ["schema 1", { schemaVersion: 1, fsLayers: [] }, /schema 1/],
  [
    "a Helm chart",
    { ...MANIFEST, config: { ...CONFIG, mediaType: "application/vnd.cncf.helm.config.v1+json" } },
    /helm/,
  ],
  [
    "an artifact with an image's config",
    { ...MANIFEST, artifactType: "application/vnd.example.sbom" },
    /example\.sbom/,
  ],
  [
    "a Docker plugin",
    { ...MANIFEST, config: { ...CONFIG, mediaType: "application/vnd.docker.plugin.v1+json" } },
    /plugin/,
  ],
  [
    "the old artifact manifest",
    { mediaType: "application/vnd.oci.artifact.manifest.v1+json", blobs: [] },
    /artifact\.manifest/,
  ],
  [
    "an encrypted layer",
    { ...MANIFEST, layers: [{ ...LAYER, mediaType: `${LAYER.mediaType}+encrypted` }] },
    /layer 1 .*encrypted/,
  ],
  [
    "an attestation",
    { ...MANIFEST, layers: [{ ...LAYER, mediaType: "application/vnd.in-toto+json" }] },
    /attestation/,
  ],
  [
    "an EROFS layer",
    { ...MANIFEST, layers: [LAYER, { ...LAYER, mediaType: "application/vnd.erofs.layer.v1" }] },
    /layer 2 .*erofs/,
  ],
])("%s is ERR_UNSUPPORTED_MEDIA_TYPE", (_, document, message) => {
  const error = refused(document);
  expect(error.code).toBe("ERR_UNSUPPORTED_MEDIA_TYPE");
  expect(error.message).toMatch(message);
});

test("an HTML page is ERR_REGISTRY_PROTOCOL", () => {
  const error = refused("\n <!DOCTYPE html><title>Sign in</title>", "text/html; charset=utf-8");
  expect(error.code).toBe("ERR_REGISTRY_PROTOCOL");
  expect(error.message).toMatch(/HTML/);
});

test("a manifest sent as text/html is taken all the same", () => {
  expect(parse(MANIFEST, "text/html").kind).toBe("image");
});

test("schema 1 by its Content-Type", () => {
  const type = "application/vnd.docker.distribution.manifest.v1+prettyjws";
  expect(refused({ schemaVersion: 1, name: "a", fsLayers: [] }, type).message).toMatch(/schema 1/);
});

test.each([
  "application/vnd.oci.image.layer.v1.tar",
  "application/vnd.oci.image.layer.v1.tar+zstd",
  "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
  "application/vnd.docker.image.rootfs.diff.tar",
  "application/vnd.docker.image.rootfs.diff.tar.gzip",
  "application/vnd.docker.image.rootfs.diff.tar.zstd",
  "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
  "application/octet-stream",
  "",
])("a layer of type %j can be imported", (mediaType) => {
  expect(parse({ ...MANIFEST, layers: [{ ...LAYER, mediaType }] })).toMatchObject({
    layers: [{ mediaType }],
  });
});

test.each([DOCKER_CONFIG, "application/octet-stream", "application/json", "text/html", ""])(
  "a config of type %j may be that of an image",
  (mediaType) => {
    expect(parse({ ...MANIFEST, config: { ...CONFIG, mediaType } }).kind).toBe("image");
  },
);

test("embedded data is used when it is what the digest says", () => {
  const data = Buffer.from("{}");
  const descriptor = {
    ...CONFIG,
    digest: digestOf(data).text,
    size: 2,
    data: data.toString("base64"),
  };
  expect(parse({ ...MANIFEST, config: descriptor })).toMatchObject({ config: { data } });
  for (const wrong of [
    { ...descriptor, data: "e30K" },
    { ...descriptor, size: 3 },
  ]) {
    expect(refused({ ...MANIFEST, config: wrong }).code).toBe("ERR_DIGEST_MISMATCH");
  }
});

test("size 0 is legal for the digest of nothing", () => {
  const empty = digestOf(new Uint8Array(0), "sha512").text;
  const layers = [{ ...LAYER, digest: empty, size: 0 }];
  expect(parse({ ...MANIFEST, layers })).toMatchObject({ layers: [{ sizeBytes: 0 }] });
});

test("a repeated key that decides nothing, or stands deeper, is as in every parser", () => {
  const text = JSON.stringify({ ...MANIFEST, annotations: {} }).replace("{", '{"x":"}\\"{","x":1,');
  const nested = text.replace(
    '"config":{',
    '"config":{"mediaType":"","config":{"layers":1,"layers":2},',
  );
  expect(parse(text).kind).toBe("image");
  expect(parse(nested).kind).toBe("image");
});

test("more layers than the limit are ERR_LIMIT_EXCEEDED", () => {
  const layers = Array.from({ length: DEFAULT_LIMITS.layers + 1 }, () => LAYER);
  const error = refused({ ...MANIFEST, layers });
  expect(error.code).toBe("ERR_LIMIT_EXCEEDED");
  expect(error.details).toMatchObject({ limit: "layers" });
});

test("an index of more than 1024 entries, and a document of more than 4 MiB, are refused", () => {
  const entry = { mediaType: OCI_MANIFEST, digest: ONE, size: 1 };
  expect(refused({ manifests: Array.from({ length: 1025 }, () => entry) }).message).toMatch(/1024/);
  expect(refused(" ".repeat(DEFAULT_LIMITS.manifestBytes + 1)).message).toMatch(/4194304/);
});

test.each([
  ["four million brackets", "[".repeat(4 << 20)],
  ["two million nested objects", `${'{"a":'.repeat(400_000)}1${"}".repeat(400_000)}`],
  ["one key of four megabytes", `{"${"k".repeat((4 << 20) - 20)}":1}`],
  ["one text of escapes", `{"k":"${"\\\\".repeat(1 << 20)}"}`],
  [
    "megabytes of data",
    JSON.stringify({ ...MANIFEST, config: { ...CONFIG, data: "A".repeat(3 << 20) } }),
  ],
])("%s give an error and no crash", (_, text) => {
  expect(refused(text)).toBeInstanceOf(ImportError);
});

test("a hostile media type is printed without its control characters", () => {
  const error = refused({ ...MANIFEST, layers: [{ ...LAYER, mediaType: "\u001b]0;x\u0007" }] });
  expect(error.message).not.toContain("\u001b");
  expect(error.message).not.toContain("\u0007");
});

/** What any document may lead to. */
const CODES = ["ok", "ERR_MANIFEST_INVALID", "ERR_UNSUPPORTED_MEDIA_TYPE", "ERR_DIGEST_MISMATCH"];

const anyDocument = fc.record(
  {
    schemaVersion: fc.oneof(fc.constantFrom(1, 2), fc.jsonValue()),
    mediaType: fc.oneof(fc.constantFrom(OCI_INDEX, OCI_MANIFEST, "x"), fc.jsonValue()),
    config: fc.oneof(fc.constant(CONFIG), fc.jsonValue()),
    layers: fc.oneof(fc.constant([LAYER]), fc.jsonValue()),
    manifests: fc.oneof(fc.constant([CONFIG]), fc.jsonValue()),
    artifactType: fc.jsonValue(),
    fsLayers: fc.jsonValue(),
  },
  { requiredKeys: [] },
);

test("any document gives a manifest, an index or an ImportError", () => {
  fc.assert(
    fc.property(
      anyDocument,
      fc.constantFrom(undefined, OCI_INDEX, OCI_MANIFEST),
      (document, type) => {
        expect(CODES).toContain(outcomeOf(() => parse(document, type)));
      },
    ),
    { numRuns: 1000 },
  );
});

test("any bytes give an ImportError or a document", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      const outcome = outcomeOf(() => parseManifest(bytes, { what: "x", limits: DEFAULT_LIMITS }));
      expect(CODES).toContain(outcome);
    }),
  );
});

test("a descriptor with any field replaced by anything gives a value or an ImportError", () => {
  const key = fc.constantFrom(
    "mediaType",
    "digest",
    "size",
    "platform",
    "annotations",
    "urls",
    "data",
  );
  fc.assert(
    fc.property(key, fc.jsonValue(), (field, value) => {
      const outcome = outcomeOf(() => parse({ manifests: [{ ...CONFIG, [field]: value }] }));
      expect(CODES).toContain(outcome);
    }),
    { numRuns: 500 },
  );
});
