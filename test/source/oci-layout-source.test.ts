import { execFileSync } from "node:child_process";
import {
  appendFileSync,
  mkdirSync,
  readdirSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { ImportError } from "../../src/errors.ts";
import { DEFAULT_LIMITS } from "../../src/limits.ts";
import type { Descriptor } from "../../src/oci/descriptor.ts";
import { requireDigest } from "../../src/oci/digest.ts";
import type { ResolvedImage } from "../../src/oci/image.ts";
import { parseDescriptor } from "../../src/oci/parse-descriptor.ts";
import { parsePlatform } from "../../src/oci/parse-platform.ts";
import type { ByteStream, ImageSource } from "../../src/source/image-source.ts";
import type { LayoutSelector } from "../../src/source/layout-reference.ts";
import { openOciLayout } from "../../src/source/oci-layout-source.ts";
import { importErrorFrom } from "../support/import-error.ts";
import { OciBlobs } from "../support/oci-blobs.ts";
import { scratchDirectory } from "../support/scratch.ts";
import { SOURCE_OPTIONS } from "../support/source-options.ts";

const REF_NAME = "org.opencontainers.image.ref.name";
const AMD64 = { os: "linux", architecture: "amd64" };
const ARM64 = { os: "linux", architecture: "arm64" };

function live(): AbortSignal {
  return new AbortController().signal;
}

function tagged(descriptor: object, tag: string): object {
  return { ...descriptor, annotations: { [REF_NAME]: tag } };
}

async function resolve(
  path: string,
  selector?: LayoutSelector,
  platform = "linux/amd64",
): Promise<ResolvedImage> {
  const source = await openOciLayout(path, selector, SOURCE_OPTIONS);
  return source.resolve({ platform: parsePlatform(platform), explicit: false }, live());
}

function refusal(path: string, selector?: LayoutSelector): Promise<ImportError> {
  return importErrorFrom(resolve(path, selector));
}

async function readAll(stream: ByteStream, chunk: number): Promise<Buffer> {
  const parts: Buffer[] = [];
  for (;;) {
    const target = new Uint8Array(chunk);
    const length = await stream.read(target);
    parts.push(Buffer.from(target.subarray(0, length)));
    if (length < chunk) return Buffer.concat(parts);
  }
}

/** A layout with one image of one layer. */
function oneLayer(content = "layer bytes"): {
  readonly path: string;
  readonly layer: Descriptor;
  readonly blob: string;
} {
  const blobs = new OciBlobs();
  const path = scratchDirectory();
  const layer = blobs.layer(content);
  blobs.writeLayout(path, [tagged(blobs.image({ layers: [layer] }), "case")]);
  const descriptor = parseDescriptor(layer, "it");
  return { path, layer: descriptor, blob: join(path, "blobs", "sha256", descriptor.digest.hex) };
}

async function openLayer(path: string, layer: Descriptor, signal = live()): Promise<ByteStream> {
  const source = await openOciLayout(path, undefined, SOURCE_OPTIONS);
  return source.openLayer(layer, { signal, fresh: false });
}

test("a tag, a digest, and nothing at all name the only image", async () => {
  const { path } = oneLayer();
  const image = await resolve(path, { tag: "case" });
  expect(image.reference).toBe(`oci:${path}:case`);
  expect(image.layers).toHaveLength(1);
  const digest = image.manifestDigest;
  expect((await resolve(path, { digest })).manifestDigest).toEqual(digest);
  expect((await resolve(path)).manifestDigest).toEqual(digest);
});

test("a tag that is not there: the error lists those that are", async () => {
  const blobs = new OciBlobs();
  const path = scratchDirectory();
  blobs.writeLayout(path, [
    tagged(blobs.image(), "v1"),
    tagged(blobs.image({ config: ARM64 }), "v2"),
  ]);
  const error = await refusal(path, { tag: "v3" });
  expect(error.code).toBe("ERR_IMAGE_NOT_FOUND");
  expect(error.message).toMatch(/no tag "v3"; it has v1, v2/);
  const unsaid = await refusal(path);
  expect(unsaid.code).toBe("ERR_REFERENCE_INVALID");
  expect(unsaid.message).toMatch(/2 images: v1, v2/);
});

test("containerd's image name is a tag too, whole or by its end", async () => {
  const blobs = new OciBlobs();
  const path = scratchDirectory();
  const annotations = { "io.containerd.image.name": "docker.io/library/app:3" };
  const image = { ...blobs.image(), annotations };
  blobs.writeLayout(path, [image, tagged(blobs.image({ config: ARM64 }), "other")]);
  for (const tag of ["3", "docker.io/library/app:3"]) {
    expect((await resolve(path, { tag })).manifestDigest.text).toBe(image.digest);
  }
});

test("two tags of one manifest are one image", async () => {
  const blobs = new OciBlobs();
  const path = scratchDirectory();
  const image = blobs.image();
  blobs.writeLayout(path, [tagged(image, "1"), tagged(image, "latest")]);
  expect((await resolve(path)).manifestDigest.text).toBe(image.digest);
});

test("entries that are the platforms of one image are chosen from", async () => {
  const blobs = new OciBlobs();
  const path = scratchDirectory();
  const amd64 = { ...blobs.image(), platform: AMD64 };
  const arm64 = { ...blobs.image({ config: ARM64 }), platform: ARM64 };
  const attestation = {
    ...blobs.image({ config: { created: "x" } }),
    platform: { os: "unknown", architecture: "unknown" },
  };
  blobs.writeLayout(path, [amd64, arm64, attestation]);
  expect((await resolve(path, undefined, "linux/arm64")).manifestDigest.text).toBe(arm64.digest);
  expect((await resolve(path)).manifestDigest.text).toBe(amd64.digest);
});

test("a digest that only a nested index lists is found by its blob", async () => {
  const blobs = new OciBlobs();
  const path = scratchDirectory();
  const amd64 = { ...blobs.image(), platform: AMD64 };
  blobs.writeLayout(path, [blobs.index([amd64])]);
  const digest = requireDigest(amd64.digest, "it");
  expect((await resolve(path, { digest })).manifestDigest.text).toBe(amd64.digest);
  const missing = requireDigest(`sha256:${"0".repeat(64)}`, "it");
  const error = await refusal(path, { digest: missing });
  expect(error.code).toBe("ERR_IMAGE_NOT_FOUND");
  expect(error.message).toContain(missing.text);
});

test("an empty layout, a directory that is none, and one that is not there", async () => {
  const path = scratchDirectory();
  expect((await refusal(join(path, "nowhere"))).code).toBe("ERR_IMAGE_NOT_FOUND");
  expect((await refusal(path)).message).toMatch(/oci-layout .* is missing/);
  new OciBlobs().writeLayout(path, []);
  expect((await refusal(path)).message).toMatch(/holds no image/);
});

test.each([
  ["no JSON", "root:x:0:0:root", "ERR_MANIFEST_INVALID"],
  [
    "a manifest",
    '{"config":{"mediaType":"","digest":"sha256:x","size":1},"layers":[]}',
    "ERR_MANIFEST_INVALID",
  ],
  ["too much", " ".repeat(DEFAULT_LIMITS.manifestBytes + 1), "ERR_MANIFEST_INVALID"],
])("an index.json that is %s is refused and not shown", async (_, text, code) => {
  const { path } = oneLayer();
  writeFileSync(join(path, "index.json"), text);
  const error = await refusal(path);
  expect(error.code).toBe(code);
  expect(`${error.message}${String(error.cause)}`).not.toContain("root:x");
});

test("a manifest with a byte changed, added or gone is refused", async () => {
  const { path } = oneLayer();
  const { manifestDigest, manifestBytes } = await resolve(path);
  const blob = join(path, "blobs", "sha256", manifestDigest.hex);
  appendFileSync(blob, " ");
  expect((await refusal(path)).code).toBe("ERR_SIZE_MISMATCH");
  truncateSync(blob, manifestBytes.length - 1);
  appendFileSync(blob, "]");
  expect((await refusal(path)).code).toBe("ERR_DIGEST_MISMATCH");
  rmSync(blob);
  expect((await refusal(path)).code).toBe("ERR_IMAGE_NOT_FOUND");
});

test("a layer is read whole through targets of any size, and the end is told once and for all", async () => {
  const path = scratchDirectory();
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 40 }),
      fc.string({ minLength: 1, maxLength: 60 }),
      async (chunk, text) => {
        const blobs = new OciBlobs();
        const layer = blobs.layer(text);
        blobs.writeLayout(path, []);
        const stream = await openLayer(path, parseDescriptor(layer, "it"));
        expect((await readAll(stream, chunk)).toString()).toBe(text);
        expect(await stream.read(new Uint8Array(chunk))).toBe(0);
        stream.cancel();
      },
    ),
    { numRuns: 30 },
  );
});

test("a blob of another size is ERR_SIZE_MISMATCH before the first byte", async () => {
  const { path, layer, blob } = oneLayer();
  appendFileSync(blob, "x");
  const error = await importErrorFrom(openLayer(path, layer));
  expect(error.code).toBe("ERR_SIZE_MISMATCH");
  expect(error.message).toMatch(new RegExp(`^layer ${layer.digest.text} of oci:.* has 12 bytes`));
});

test("a blob that is cut while it is read is ERR_SIZE_MISMATCH", async () => {
  const { path, layer, blob } = oneLayer();
  const stream = await openLayer(path, layer);
  expect(await stream.read(new Uint8Array(4))).toBe(4);
  truncateSync(blob, 5);
  expect((await importErrorFrom(stream.read(new Uint8Array(100)))).code).toBe("ERR_SIZE_MISMATCH");
  stream.cancel();
});

test("a missing layer is ERR_IMAGE_NOT_FOUND with its digest", async () => {
  const { path, layer, blob } = oneLayer();
  rmSync(blob);
  const error = await importErrorFrom(openLayer(path, layer));
  expect(error.code).toBe("ERR_IMAGE_NOT_FOUND");
  expect(error.message).toContain(layer.digest.text);
});

test("a blob may be a link to a file, as build systems make them", async () => {
  const { path, layer, blob } = oneLayer();
  const elsewhere = join(scratchDirectory(), "cached");
  renameSync(blob, elsewhere);
  symlinkSync(elsewhere, blob);
  expect((await readAll(await openLayer(path, layer), 1000)).toString()).toBe("layer bytes");
});

test("attack: a FIFO, a device or a directory in the place of a file neither blocks nor streams", async () => {
  const { path, layer, blob } = oneLayer();
  rmSync(blob);
  execFileSync("mkfifo", [blob]);
  expect((await importErrorFrom(openLayer(path, layer))).message).toMatch(/not a regular file/);
  rmSync(blob);
  symlinkSync("/dev/zero", blob);
  expect((await importErrorFrom(openLayer(path, layer))).message).toMatch(/not a regular file/);
  rmSync(blob);
  mkdirSync(blob);
  expect((await importErrorFrom(openLayer(path, layer))).message).toMatch(/not a regular file/);
  rmSync(join(path, "index.json"));
  execFileSync("mkfifo", [join(path, "index.json")]);
  expect((await refusal(path)).message).toMatch(/index\.json .* not a regular file/);
});

test("a link loop is an error and no hang", async () => {
  const { path, layer, blob } = oneLayer();
  rmSync(blob);
  symlinkSync(blob, blob);
  expect((await importErrorFrom(openLayer(path, layer))).message).toMatch(/ELOOP/);
});

test("data in a layer's descriptor needs no blob", async () => {
  const { path } = oneLayer();
  const blobs = new OciBlobs();
  const data = Buffer.from("embedded").toString("base64");
  const stream = await openLayer(path, parseDescriptor({ ...blobs.layer("embedded"), data }, "it"));
  expect((await readAll(stream, 3)).toString()).toBe("embedded");
});

/** Files below `path` that this process holds open. */
function openFilesIn(path: string): number {
  const targets = readdirSync("/proc/self/fd").map((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`);
    } catch {
      return "closed meanwhile";
    }
  });
  return targets.filter((target) => target.startsWith(path)).length;
}

function codeOf(error: unknown): unknown {
  return error instanceof ImportError ? error.code : error;
}

async function settle(check: () => boolean): Promise<void> {
  for (let round = 0; round < 200 && !check(); round += 1) {
    await new Promise((done) => {
      setTimeout(done, 5);
    });
  }
}

test.each<
  [string, (stream: ByteStream, source: ImageSource, controller: AbortController) => unknown]
>([
  ["cancel", (stream) => stream.cancel()],
  ["close of the source", (_, source) => source.close()],
  ["abort", (_, __, controller) => controller.abort()],
  ["the end", (stream) => readAll(stream, 100)],
])("%s closes the file, and a read after it gives no bytes", async (how, end) => {
  const { path, layer } = oneLayer();
  const source = await openOciLayout(path, undefined, SOURCE_OPTIONS);
  const controller = new AbortController();
  const stream = await source.openLayer(layer, { signal: controller.signal, fresh: false });
  expect(await stream.read(new Uint8Array(2))).toBe(2);
  expect(openFilesIn(path)).toBe(1);
  await end(stream, source, controller);
  await settle(() => openFilesIn(path) === 0);
  expect(openFilesIn(path)).toBe(0);
  const after = await stream.read(new Uint8Array(2)).catch(codeOf);
  expect(after).toBe(how === "the end" ? 0 : "ERR_CANCELLED");
  stream.cancel();
  await source.close();
});

test("resolving leaves no file open, failing or not", async () => {
  const { path } = oneLayer();
  await resolve(path);
  await refusal(path, { tag: "nope" });
  await settle(() => openFilesIn(path) === 0);
  expect(openFilesIn(path)).toBe(0);
  expect(readdirSync(path).toSorted()).toEqual(["blobs", "index.json", "oci-layout"]);
});
