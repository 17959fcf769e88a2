import { expect, test } from "vitest";
import type { ImportError } from "../../src/errors.ts";
import { DEFAULT_LIMITS } from "../../src/limits.ts";
import { requireDigest } from "../../src/oci/digest.ts";
import type { ResolvedImage } from "../../src/oci/image.ts";
import { DOCKER_MANIFEST, OCI_CONFIG, OCI_INDEX, OCI_MANIFEST } from "../../src/oci/media-types.ts";
import { parseManifest } from "../../src/oci/parse-manifest.ts";
import { parsePlatform } from "../../src/oci/parse-platform.ts";
import { digestOf } from "../../src/oci/verify-bytes.ts";
import type { ResolveImageInput, RootManifest } from "../../src/source/resolution.ts";
import { resolveImage } from "../../src/source/resolve-image.ts";
import { chooseFromIndex } from "../../src/source/walk-index.ts";
import { importErrorFrom } from "../support/import-error.ts";
import type { JsonDescriptor } from "../support/oci-blobs.ts";
import { OciBlobs } from "../support/oci-blobs.ts";

const AMD64 = { os: "linux", architecture: "amd64" };
const ARM64 = { os: "linux", architecture: "arm64" };

interface Asked {
  readonly platform?: string;
  readonly explicit?: boolean;
  readonly input?: Partial<ResolveImageInput>;
}

function resolveInput(blobs: OciBlobs, root: RootManifest, asked: Asked = {}): ResolveImageInput {
  return {
    reference: "registry.example/app:1",
    root,
    wanted: {
      platform: parsePlatform(asked.platform ?? "linux/amd64"),
      explicit: asked.explicit ?? false,
    },
    limits: DEFAULT_LIMITS,
    fetchManifest: async (descriptor) => ({ bytes: blobs.fetch(descriptor) }),
    fetchConfig: async (descriptor) => blobs.fetch(descriptor),
    signal: new AbortController().signal,
    ...asked.input,
  };
}

function resolve(blobs: OciBlobs, root: JsonDescriptor, asked: Asked = {}): Promise<ResolvedImage> {
  const { digest, mediaType } = root;
  return resolveImage(resolveInput(blobs, { bytes: blobs.bytesOf(digest), mediaType }, asked));
}

function refusal(blobs: OciBlobs, root: JsonDescriptor, asked: Asked = {}): Promise<ImportError> {
  return importErrorFrom(resolve(blobs, root, asked));
}

test("a single manifest gives its layers bottom first with their diffIds", async () => {
  const blobs = new OciBlobs();
  const layers = [blobs.layer("base"), blobs.layer("top")];
  const root = blobs.image({ layers, config: { config: { Env: ["A=1"] } } });
  const image = await resolve(blobs, root);
  expect(image.manifestDigest.text).toBe(root.digest);
  expect(
    image.layers.map(({ index, descriptor, diffId }) => [
      index,
      descriptor.digest.text,
      diffId.text,
    ]),
  ).toEqual([
    [0, layers[0]?.digest, layers[0]?.digest],
    [1, layers[1]?.digest, layers[1]?.digest],
  ]);
  expect(image.config.env).toEqual(["A=1"]);
  expect(Buffer.from(image.manifestBytes)).toEqual(blobs.bytesOf(root.digest));
  expect(image.warnings).toEqual([]);
});

test("an index leads to the manifest of the platform, and nothing else is fetched", async () => {
  const blobs = new OciBlobs();
  const wanted = { ...blobs.image({ config: ARM64 }), platform: ARM64 };
  const other = { ...blobs.image({ config: AMD64 }), platform: AMD64 };
  const image = await resolve(blobs, blobs.index([other, wanted]), { platform: "linux/arm64" });
  expect(image.manifestDigest.text).toBe(wanted.digest);
  expect(blobs.fetched).toHaveLength(2);
});

test("nested indexes are searched, one without a platform after those that fit", async () => {
  const blobs = new OciBlobs();
  const inner = { ...blobs.image({ config: ARM64 }), platform: ARM64 };
  const nested = blobs.index([blobs.index([inner])]);
  const amd64 = { ...blobs.image(), platform: AMD64 };
  const root = blobs.index([nested, amd64]);
  expect((await resolve(blobs, root)).manifestDigest.text).toBe(amd64.digest);
  expect(blobs.fetched).not.toContain(nested.digest);
  expect((await resolve(blobs, root, { platform: "linux/arm64" })).manifestDigest.text).toBe(
    inner.digest,
  );
});

test("a fitting index that holds nothing fitting is left for the next entry", async () => {
  const blobs = new OciBlobs();
  const hollow = {
    ...blobs.index([{ ...blobs.image({ config: ARM64 }), platform: ARM64 }]),
    platform: AMD64,
  };
  const amd64 = { ...blobs.image(), platform: { ...AMD64, architecture: "x86_64" } };
  expect((await resolve(blobs, blobs.index([hollow, amd64]))).manifestDigest.text).toBe(
    amd64.digest,
  );
});

test("of entries without a platform the best by their configs is taken, and an artifact among them is passed over", async () => {
  const blobs = new OciBlobs();
  const artifact = blobs.image({ manifest: { artifactType: "application/vnd.example.sbom" } });
  const fallback = blobs.image({ config: { architecture: "386" } });
  const exact = blobs.image({ config: AMD64 });
  const image = await resolve(blobs, blobs.index([artifact, fallback, exact]));
  expect(image.manifestDigest.text).toBe(exact.digest);
  expect(image.platform).toEqual(AMD64);
});

test("at most eight configs are fetched to learn platforms", async () => {
  const blobs = new OciBlobs();
  const entries = Array.from({ length: 12 }, (_, at) =>
    blobs.image({ config: { ...ARM64, created: String(at) } }),
  );
  const error = await refusal(blobs, blobs.index(entries));
  expect(error.code).toBe("ERR_PLATFORM_NOT_FOUND");
  expect(error.message).toContain("linux/arm64");
  expect(blobs.fetched).toHaveLength(16);
});

test("an index of nothing but an artifact says that it is one", async () => {
  const blobs = new OciBlobs();
  const error = await refusal(
    blobs,
    blobs.index([blobs.image({ manifest: { artifactType: "x/y" } })]),
  );
  expect(error.code).toBe("ERR_UNSUPPORTED_MEDIA_TYPE");
});

test("entries that are neither manifests nor indexes are skipped", async () => {
  const blobs = new OciBlobs();
  const foreign = { ...blobs.put(Buffer.from("x"), "application/vnd.example"), platform: AMD64 };
  const image = { ...blobs.image(), platform: AMD64 };
  expect((await resolve(blobs, blobs.index([foreign, image]))).manifestDigest.text).toBe(
    image.digest,
  );
});

test("no entry for the platform: the error lists at most twenty, sorted, without attestations", async () => {
  const blobs = new OciBlobs();
  const manifest = blobs.image();
  const entries = Array.from({ length: 25 }, (_, at) => ({
    ...manifest,
    platform: { os: "linux", architecture: `a${at + 10}` },
  }));
  const attestation = { ...manifest, platform: { os: "unknown", architecture: "unknown" } };
  const error = await refusal(blobs, blobs.index([attestation, ...entries]));
  expect(error.code).toBe("ERR_PLATFORM_NOT_FOUND");
  expect(error.message).toMatch(
    /no image for linux\/amd64; it has linux\/a10, linux\/a11, .*linux\/a29 and 5 more$/,
  );
});

test("an empty index says so", async () => {
  const blobs = new OciBlobs();
  const error = await refusal(blobs, blobs.index([]));
  expect(error.code).toBe("ERR_PLATFORM_NOT_FOUND");
  expect(error.message).toMatch(/empty/);
});

test("another architecture that this machine can run is taken with a warning", async () => {
  const blobs = new OciBlobs();
  const image = await resolve(
    blobs,
    blobs.index([{ ...blobs.image(), platform: { ...AMD64, architecture: "386" } }]),
  );
  expect(image.warnings).toMatchObject([{ code: "platform_fallback" }]);
  expect(image.warnings[0]?.message).toMatch(/linux\/amd64.*linux\/386/);
});

test("a single manifest of another platform is warned about, and refused when the platform was asked for", async () => {
  const blobs = new OciBlobs();
  const root = blobs.image({ config: ARM64 });
  expect((await resolve(blobs, root)).warnings).toMatchObject([{ code: "platform_mismatch" }]);
  const error = await refusal(blobs, root, { explicit: true });
  expect(error.code).toBe("ERR_PLATFORM_NOT_FOUND");
  expect(error.message).toMatch(/linux\/amd64; it has linux\/arm64/);
  expect(
    (await resolve(blobs, root, { explicit: true, platform: "linux/arm64" })).warnings,
  ).toEqual([]);
});

test("the root is verified against the digest it was asked for by", async () => {
  const blobs = new OciBlobs();
  const bytes = blobs.bytesOf(blobs.image().digest);
  const digest = requireDigest(`sha256:${"0".repeat(64)}`, "it");
  const error = await refusal(blobs, blobs.image(), { input: { root: { bytes, digest } } });
  expect(error.code).toBe("ERR_DIGEST_MISMATCH");
});

test("a digest of another algorithm names the image", async () => {
  const blobs = new OciBlobs();
  const bytes = blobs.bytesOf(blobs.image().digest);
  const digest = digestOf(bytes, "sha512");
  const image = await resolve(blobs, blobs.image(), { input: { root: { bytes, digest } } });
  expect(image.manifestDigest.text).toBe(digest.text);
});

test.each([
  [
    "a manifest with one byte flipped",
    "ERR_DIGEST_MISMATCH",
    (bytes: Buffer) => Buffer.from(bytes.toString().replace("2", "3")),
  ],
  [
    "a manifest with a byte more",
    "ERR_SIZE_MISMATCH",
    (bytes: Buffer) => Buffer.concat([bytes, Buffer.from(" ")]),
  ],
  ["a manifest cut short", "ERR_SIZE_MISMATCH", (bytes: Buffer) => bytes.subarray(1)],
])("%s is %s", async (_, code, damage) => {
  const blobs = new OciBlobs();
  const root = blobs.index([{ ...blobs.image(), platform: AMD64 }]);
  const error = await refusal(blobs, root, {
    input: { fetchManifest: async (descriptor) => ({ bytes: damage(blobs.fetch(descriptor)) }) },
  });
  expect(error.code).toBe(code);
});

test("a config that does not hash to its digest is refused", async () => {
  const blobs = new OciBlobs();
  const error = await refusal(blobs, blobs.image(), {
    input: { fetchConfig: async (descriptor) => Buffer.alloc(blobs.fetch(descriptor).length) },
  });
  expect(error.code).toBe("ERR_DIGEST_MISMATCH");
  expect(error.message).toMatch(/^the config of registry\.example\/app:1/);
});

test("Content-Type, descriptor and document must agree", async () => {
  const blobs = new OciBlobs();
  const root = blobs.index([{ ...blobs.image(), platform: AMD64 }]);
  const sent = await refusal(blobs, root, {
    input: {
      fetchManifest: async (descriptor) => ({
        bytes: blobs.fetch(descriptor),
        mediaType: OCI_INDEX,
      }),
    },
  });
  expect(sent.code).toBe("ERR_MANIFEST_INVALID");
  const labelled = blobs.index([{ ...blobs.image(), platform: AMD64, mediaType: DOCKER_MANIFEST }]);
  expect((await refusal(blobs, labelled)).code).toBe("ERR_MANIFEST_INVALID");
});

test("descriptors with data are not fetched", async () => {
  const blobs = new OciBlobs();
  const config = { ...AMD64, rootfs: { type: "layers", diff_ids: [] } };
  const configDescriptor = blobs.put(config, OCI_CONFIG);
  const embed = (descriptor: JsonDescriptor): JsonDescriptor => ({
    ...descriptor,
    data: blobs.bytesOf(descriptor.digest).toString("base64"),
  });
  const manifest = embed(
    blobs.put({ schemaVersion: 2, config: embed(configDescriptor), layers: [] }, OCI_MANIFEST),
  );
  const image = await resolve(blobs, blobs.index([{ ...manifest, platform: AMD64 }]));
  expect(image.manifestDigest.text).toBe(manifest.digest);
  expect(blobs.fetched).toEqual([]);
});

test("indexes nested five deep are refused, four are not", async () => {
  const blobs = new OciBlobs();
  let root = blobs.index([{ ...blobs.image(), platform: AMD64 }]);
  for (let depth = 2; depth <= 4; depth += 1) root = blobs.index([root]);
  expect((await resolve(blobs, root)).platform).toEqual(AMD64);
  const error = await refusal(blobs, blobs.index([root]));
  expect(error.code).toBe("ERR_MANIFEST_INVALID");
  expect(error.message).toMatch(/4 deep/);
});

test("1024 entries in all indexes together are the most", async () => {
  const blobs = new OciBlobs();
  const arm64 = { ...blobs.image({ config: ARM64 }), platform: ARM64 };
  const nested = [0, 1].map((at) =>
    blobs.index(
      Array.from({ length: 600 }, () => arm64),
      { annotations: { at: String(at) } },
    ),
  );
  const error = await refusal(blobs, blobs.index(nested));
  expect(error.code).toBe("ERR_MANIFEST_INVALID");
  expect(error.message).toMatch(/1024/);
});

test("an index cannot make us fetch documents without end", async () => {
  const blobs = new OciBlobs();
  const hollow = Array.from({ length: 200 }, (_, at) => ({
    ...blobs.index([], { annotations: { at: String(at) } }),
    platform: AMD64,
  }));
  const error = await refusal(blobs, blobs.index(hollow));
  expect(error.code).toBe("ERR_MANIFEST_INVALID");
  expect(blobs.fetched.length).toBeLessThanOrEqual(64);
});

test("an index that lists its own digest is refused before it is fetched again", async () => {
  const blobs = new OciBlobs();
  const entry = { ...blobs.index([]), platform: AMD64 };
  const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, manifests: [entry] }));
  // No honest bytes hold their own digest, so the walk is entered below the root.
  const input = resolveInput(blobs, { bytes });
  const path = [requireDigest(entry.digest, "it")];
  const index = parseManifest(bytes, { what: "it", limits: DEFAULT_LIMITS });
  const entries = index.kind === "index" ? index.entries : [];
  const error = await importErrorFrom(chooseFromIndex(input, entries, path));
  expect(error.code).toBe("ERR_MANIFEST_INVALID");
  expect(error.message).toMatch(/contains itself/);
  expect(blobs.fetched).toEqual([]);
});

test("sizes above the limits are refused before anything is fetched", async () => {
  const blobs = new OciBlobs();
  const huge = { ...blobs.image(), size: 5 << 20, platform: AMD64 };
  expect((await refusal(blobs, blobs.index([huge]))).code).toBe("ERR_MANIFEST_INVALID");
  const config = { ...blobs.put({}, OCI_CONFIG), size: 9 << 20 };
  expect((await refusal(blobs, blobs.image({ manifest: { config } }))).code).toBe(
    "ERR_MANIFEST_INVALID",
  );
  expect(blobs.fetched).toEqual([]);
});

test("the number of diff_ids must be that of the layers", async () => {
  const blobs = new OciBlobs();
  const error = await refusal(blobs, blobs.image({ layers: [blobs.layer("a")], diffIds: [] }));
  expect(error.code).toBe("ERR_MANIFEST_INVALID");
});

test("a cancelled signal ends the walk before the next request", async () => {
  const blobs = new OciBlobs();
  const controller = new AbortController();
  const root = blobs.index([{ ...blobs.image(), platform: AMD64 }]);
  const error = await refusal(blobs, root, {
    input: {
      signal: controller.signal,
      fetchManifest: async (descriptor) => {
        controller.abort();
        return { bytes: blobs.fetch(descriptor) };
      },
    },
  });
  expect(error.code).toBe("ERR_CANCELLED");
  expect(blobs.fetched).toHaveLength(1);
});
