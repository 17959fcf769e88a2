import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { expect, onTestFinished, test } from "vitest";
import { requireDigest } from "../../src/oci/digest.ts";
import { parseReference } from "../../src/oci/parse-reference.ts";
import type { ImageSource } from "../../src/source/image-source.ts";
import { openRegistrySource } from "../../src/source/registry-source.ts";
import { digestText } from "../support/digest-text.ts";
import { importErrorFrom } from "../support/import-error.ts";
import { readStream } from "../support/registry-pull.ts";
import { scratchDirectory } from "../support/scratch.ts";
import { SOURCE_OPTIONS } from "../support/source-options.ts";
import { startedRegistry } from "../support/started-registry.ts";
import type { TestImage, TestLayer } from "../support/test-registry/test-image.ts";
import type { TestRegistry } from "../support/test-registry/test-registry.ts";

const { signal } = new AbortController();
const AMD64 = { platform: { os: "linux", architecture: "amd64" }, explicit: false };

function layerOf(text: string): TestLayer {
  const tar = Buffer.alloc(2048, text);
  return {
    bytes: gzipSync(tar),
    mediaType: "application/vnd.oci.image.layer.v1.tar+gzip",
    diffId: digestText(tar),
  };
}

const IMAGE: TestImage = {
  layers: [layerOf("base"), layerOf("app"), layerOf("base")],
  config: { Env: ["A=b"], Cmd: ["/app"] },
};

async function sourceOf(
  registry: TestRegistry,
  suffix: string,
  env: Readonly<Record<string, string>> = {},
): Promise<ImageSource> {
  const options = { ...SOURCE_OPTIONS, env: { HOME: "/nonexistent", ...env } };
  const reference = parseReference(`${registry.host}/team/app${suffix}`);
  const timing = { baseDelayMs: 1, attempts: 2 };
  const source = await openRegistrySource(reference, options, { timing });
  onTestFinished(() => source.close());
  return source;
}

test("an image by tag, by digest and through an index resolves to the same layers", async () => {
  const registry = await startedRegistry();
  const digest = await registry.addImage("team/app", "1", IMAGE);
  const mediaType = "application/vnd.oci.image.manifest.v1+json";
  const manifest = { mediaType, digest, size: 0, platform: AMD64.platform };
  const direct = await (await sourceOf(registry, ":1")).resolve(AMD64, signal);
  const size = direct.manifestBytes.length;
  const index = { schemaVersion: 2, manifests: [{ ...manifest, size }] };
  registry.addManifest(
    "team/app",
    "multi",
    Buffer.from(JSON.stringify(index)),
    "application/vnd.oci.image.index.v1+json",
  );
  expect(direct).toMatchObject({
    reference: `${registry.host}/team/app:1`,
    manifestDigest: { text: digest },
    platform: AMD64.platform,
    config: { env: ["A=b"], cmd: ["/app"] },
    warnings: [],
  });
  expect(direct.layers.map(({ diffId }) => diffId.text)).toEqual(
    IMAGE.layers.map(({ diffId }) => diffId),
  );
  for (const suffix of [`@${digest}`, ":multi"]) {
    const image = await (await sourceOf(registry, suffix)).resolve(AMD64, signal);
    expect(image.layers).toEqual(direct.layers);
    expect(image.manifestDigest.text).toBe(digest);
  }
});

test("layers come as they are stored", async () => {
  const registry = await startedRegistry();
  await registry.addImage("team/app", "1", IMAGE);
  const source = await sourceOf(registry, ":1");
  const { layers } = await source.resolve(AMD64, signal);
  const streams = await Promise.all(
    layers.map(({ descriptor }) => source.openLayer(descriptor, { signal, fresh: false })),
  );
  const contents = await Promise.all(streams.map((stream) => readStream(stream, 100)));
  expect(contents).toEqual(IMAGE.layers.map(({ bytes }) => bytes));
});

test("a layer that is gone is named by its place in the image", async () => {
  const registry = await startedRegistry();
  await registry.addImage("team/app", "1", IMAGE);
  const source = await sourceOf(registry, ":1");
  const { layers } = await source.resolve(AMD64, signal);
  const second = layers[1]?.descriptor;
  if (second === undefined) throw new Error("the image has no second layer");
  registry.faults.add({ on: "blob", kind: "missing" });
  const stream = await source.openLayer(second, { signal, fresh: false });
  expect(await importErrorFrom(readStream(stream))).toMatchObject({
    code: "ERR_IMAGE_NOT_FOUND",
    message: expect.stringContaining(
      `for layer 2 of 3 of ${registry.host}/team/app:1 (${second.digest.text}): the manifest is there, but this blob is gone`,
    ),
  });
});

test("a layer that the manifest holds itself is not asked for", async () => {
  const registry = await startedRegistry();
  const data = Buffer.from("embedded");
  const source = await sourceOf(registry, ":1");
  const stream = await source.openLayer(
    {
      mediaType: "application/vnd.oci.image.layer.v1.tar",
      digest: requireDigest(digestText(data), "the data"),
      sizeBytes: data.length,
      data,
    },
    { signal, fresh: false },
  );
  expect((await readStream(stream, 3)).toString()).toBe("embedded");
  expect(registry.requests).toEqual([]);
});

test("the login of a docker config is used, and one that is refused without need is a warning", async () => {
  const users = { alice: "fake-password" };
  const registry = await startedRegistry({
    auth: { mode: "bearer", users, anonymousPull: true },
  });
  await registry.addImage("team/app", "1", IMAGE);
  for (const [password, codes] of [
    ["fake-password", []],
    ["fake-stale", ["LOGIN_REFUSED"]],
  ] as const) {
    const folder = join(scratchDirectory(), "docker");
    mkdirSync(folder);
    const auth = Buffer.from(`alice:${password}`).toString("base64");
    const config = { auths: { [registry.host]: { auth } } };
    writeFileSync(join(folder, "config.json"), JSON.stringify(config));
    const source = await sourceOf(registry, ":1", { DOCKER_CONFIG: folder });
    const { warnings } = await source.resolve(AMD64, signal);
    expect(warnings.map(({ code }) => code)).toEqual(codes);
    expect(JSON.stringify(warnings)).not.toContain(password);
  }
  expect(registry.tokens?.requests.map(({ user }) => user)).toEqual([
    "alice",
    undefined,
    undefined,
  ]);
});
