import { readdirSync, readFileSync, readlinkSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { expect, onTestFinished, test } from "vitest";
import type { ImportError } from "../../src/errors.ts";
import type { ResolvedImage } from "../../src/oci/image.ts";
import { parsePlatform } from "../../src/oci/parse-platform.ts";
import type { ByteStream, ImageSource } from "../../src/source/image-source.ts";
import { openImageSource } from "../../src/source/open-image-source.ts";
import { digestText } from "../support/digest-text.ts";
import {
  archiveOf,
  dockerArchive,
  dockerParts,
  withBody,
  type DockerForm,
  type DockerParts,
} from "../support/image-archives.ts";
import { importErrorFrom } from "../support/import-error.ts";
import { fileEntry, makeLayer } from "../support/make-layer.ts";
import { noise } from "../support/layered-image.ts";
import { scratchDirectory } from "../support/scratch.ts";
import { SOURCE_OPTIONS } from "../support/source-options.ts";
import { encodeImage, type TestImage } from "../support/test-registry/test-image.ts";

const PLAIN: TestImage = {
  layers: [
    await makeLayer([fileEntry("lower", "1")], "none"),
    await makeLayer([fileEntry("upper", "2")], "none"),
  ],
};
const GZIPPED: TestImage = { layers: [await makeLayer([fileEntry("file", "3")])] };
const ARM: TestImage = { ...PLAIN, platform: { os: "linux", architecture: "arm64" } };

function live(): AbortSignal {
  return new AbortController().signal;
}

function written(bytes: Buffer): string {
  const path = join(scratchDirectory(), "image.tar");
  writeFileSync(path, bytes);
  return path;
}

async function opened(path: string, selector = ""): Promise<ImageSource> {
  const source = await openImageSource(`docker-archive:${path}${selector}`, SOURCE_OPTIONS);
  onTestFinished(() => source.close());
  return source;
}

async function resolved(
  source: ImageSource,
  platform = "linux/amd64",
  explicit = false,
): Promise<ResolvedImage> {
  return source.resolve({ platform: parsePlatform(platform), explicit }, live());
}

async function refusal(bytes: Buffer, selector = ""): Promise<ImportError> {
  return importErrorFrom(opened(written(bytes), selector).then((source) => resolved(source)));
}

async function readAll(stream: ByteStream): Promise<Buffer> {
  const parts: Buffer[] = [];
  for (;;) {
    const target = new Uint8Array(1000);
    const length = await stream.read(target);
    parts.push(Buffer.from(target.subarray(0, length)));
    if (length < target.length) return Buffer.concat(parts);
  }
}

const FORMS: readonly [DockerForm, TestImage][] = [
  ["docker", PLAIN],
  ["docker 25", PLAIN],
  ["docker 25", GZIPPED],
  ["linked", PLAIN],
  ["kaniko", GZIPPED],
  ["jib", GZIPPED],
];

test.each(FORMS)(
  "an archive in the form of %s: config, diffIds and the bytes of layers",
  async (form, image) => {
    const source = await opened(written(dockerArchive([dockerParts(image, form)])));
    const found = await resolved(source);
    const { configBytes } = encodeImage(image);
    expect(Buffer.from(found.configBytes)).toEqual(Buffer.from(configBytes));
    expect(found.layers.map(({ diffId }) => diffId.text)).toEqual(
      image.layers.map(({ diffId }) => diffId),
    );
    for (const [at, { descriptor }] of found.layers.entries()) {
      const expected = Buffer.from(image.layers[at]?.bytes ?? []);
      expect(descriptor.digest.text).toBe(digestText(expected));
      expect(descriptor.sizeBytes).toBe(expected.length);
      const stream = await source.openLayer(descriptor, { signal: live(), fresh: false });
      expect(await readAll(stream)).toEqual(expected);
    }
    expect(digestText(found.manifestBytes)).toBe(found.manifestDigest.text);
  },
);

const TWO = dockerArchive([
  dockerParts(PLAIN, "docker", ["app:1", "ghcr.io/org/web:2"]),
  dockerParts(ARM, "docker", null),
]);

test.each([
  [":app:1", "amd64"],
  [":docker.io/library/app:1", "amd64"],
  [":ghcr.io/org/web:2", "amd64"],
  [":@0", "amd64"],
  [":@1", "arm64"],
])("of two images, %s is the one of %s", async (selector, architecture) => {
  const path = written(TWO);
  const source = await opened(path, selector);
  expect(source.reference).toBe(`docker-archive:${path}${selector}`);
  expect((await resolved(source)).platform.architecture).toBe(architecture);
});

test.each([
  ["", "ERR_REFERENCE_INVALID", /holds 2 images: app:1, ghcr\.io\/org\/web:2/],
  [":app", "ERR_IMAGE_NOT_FOUND", /no image "app"; it has app:1, ghcr/],
  [":@2", "ERR_IMAGE_NOT_FOUND", /no such image; it has app:1/],
  [":App:1", "ERR_REFERENCE_INVALID", /lowercase/],
  [`@sha256:${"a".repeat(64)}`, "ERR_REFERENCE_INVALID", /no digests of manifests/],
])("of two images, %j is an error that lists them", async (selector, code, message) => {
  const error = await refusal(TWO, selector);
  expect(error.code).toBe(code);
  expect(error.message).toMatch(message);
});

test("one tag of two images is ambiguous", async () => {
  const archive = dockerArchive([dockerParts(PLAIN, "docker"), dockerParts(ARM, "docker")]);
  expect((await refusal(archive, ":app:1")).message).toMatch(/holds 2 images/);
});

test("another platform is a warning, and an error when it was asked for", async () => {
  const source = await opened(written(dockerArchive([dockerParts(ARM, "docker")])));
  expect((await resolved(source)).warnings).toHaveLength(1);
  const error = await importErrorFrom(resolved(source, "linux/amd64", true));
  expect(error.code).toBe("ERR_PLATFORM_NOT_FOUND");
});

function withItem(changes: object, parts: DockerParts = dockerParts(PLAIN, "docker")): Buffer {
  return archiveWith(JSON.stringify([{ ...parts.item, ...changes }]), parts);
}

function archiveWith(manifest: string, parts: DockerParts = dockerParts(PLAIN, "docker")): Buffer {
  return archiveOf([...parts.members, { name: "manifest.json", body: manifest }]);
}

test.each([
  ["no JSON", archiveWith("root:x"), "ERR_MANIFEST_INVALID", /is not JSON/],
  ["an object", archiveWith("{}"), "ERR_MANIFEST_INVALID", /no list of images/],
  ["an empty list", archiveWith("[]"), "ERR_IMAGE_NOT_FOUND", /holds no image/],
  ["a list of texts", archiveWith('["x"]'), "ERR_MANIFEST_INVALID", /image 1 .* no JSON object/],
  [
    "too many images",
    archiveWith(JSON.stringify(Array.from({ length: 1025 }, () => ({})))),
    "ERR_MANIFEST_INVALID",
    /more than 1024 images/,
  ],
  [
    "another spelling",
    withItem({ layers: [] }),
    "ERR_MANIFEST_INVALID",
    /other readers take for "Layers"/,
  ],
  [
    "a way out",
    withItem({ Config: "../../etc/passwd" }),
    "ERR_MANIFEST_INVALID",
    /no file of the archive/,
  ],
  [
    "an absolute path",
    withItem({ Layers: ["/etc/passwd", "x"] }),
    "ERR_MANIFEST_INVALID",
    /no file of the archive/,
  ],
  ["no config", withItem({ Config: "" }), "ERR_MANIFEST_INVALID", /names ""/],
  [
    "a config that is not there",
    withItem({ Config: "nope.json" }),
    "ERR_IMAGE_NOT_FOUND",
    /no file nope\.json/,
  ],
  [
    "a layer that is not there",
    withItem({ Layers: ["x", "y"] }),
    "ERR_IMAGE_NOT_FOUND",
    /no file x/,
  ],
  ["a layer less", withItem({ Layers: [] }), "ERR_MANIFEST_INVALID", /2 diff_ids for the 0 layers/],
  [
    "too many layers",
    withItem({ Layers: Array.from({ length: 1001 }, () => "x") }),
    "ERR_LIMIT_EXCEEDED",
    /1001 layers/,
  ],
  [
    "too much",
    archiveWith(" ".repeat((4 << 20) + 1)),
    "ERR_MANIFEST_INVALID",
    /more than 4194304 bytes/,
  ],
])("a manifest.json with %s is refused", async (_, archive, code, message) => {
  const error = await refusal(archive);
  expect(error.code).toBe(code);
  expect(error.message).toMatch(message);
  expect(error.message).not.toContain("root:x");
});

test("a config that has not the digest in its name is refused", async () => {
  const { members, item } = dockerParts(PLAIN, "docker");
  const other = encodeImage({ ...PLAIN, config: { Cmd: ["evil"] } }).configBytes;
  const changed = withBody(members, item.Config, () => other);
  expect((await refusal(dockerArchive([{ members: changed, item }]))).code).toBe(
    "ERR_DIGEST_MISMATCH",
  );
});

test("a document that is there twice is refused, a layer is not: its digest decides", async () => {
  const parts = dockerParts(PLAIN, "docker");
  const [layer = ""] = parts.item.Layers;
  const twice = (name: string): Buffer =>
    dockerArchive([{ ...parts, members: [...parts.members, { name, body: "other" }] }]);
  for (const name of [parts.item.Config, "manifest.json"]) {
    const error = await refusal(twice(name));
    expect(error.code).toBe("ERR_ARCHIVE_INVALID");
    expect(error.message).toMatch(/is there twice/);
  }
  const source = await opened(written(twice(layer)));
  expect((await resolved(source)).layers).toHaveLength(2);
});

/** Bytes that this process has read so far, from files and else. */
function bytesRead(): number {
  return Number(/^rchar: (\d+)$/m.exec(readFileSync("/proc/self/io", "utf8"))?.[1]);
}

test("one compressed file as many layers is read once", async () => {
  const layer = await makeLayer([fileEntry("f", noise(2 ** 20, "one"))]);
  const parts = dockerParts({ layers: Array.from({ length: 200 }, () => layer) }, "kaniko");
  const source = await opened(
    written(dockerArchive([{ ...parts, members: parts.members.slice(0, 2) }])),
  );
  const before = bytesRead();
  expect((await resolved(source)).layers).toHaveLength(200);
  expect(bytesRead() - before).toBeLessThan(20 * 2 ** 20);
});

test.each([
  ["gzip", gzipSync(TWO), /compressed with gzip/, /gunzip --keep \/.*image\.tar$/],
  ["zstd", Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0, 0]), /with zstd/, /zstd --decompress/],
  ["xz", Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0]), /with xz/, /unxz/],
  ["bzip2", Buffer.from("BZh91AY"), /with bzip2/, /bunzip2/],
  ["nothing", Buffer.alloc(0), /no manifest\.json/, /docker before 1\.10/],
  ["a layout", archiveOf([{ name: "oci-layout" }]), /no manifest\.json/, /use oci-archive:FILE/],
])("an archive of %s is refused, and the hint says what to do", async (_, bytes, message, hint) => {
  const error = await refusal(bytes);
  expect(error.code).toBe("ERR_ARCHIVE_INVALID");
  expect(error.message).toMatch(message);
  expect(error.hint).toMatch(hint);
});

test("a device is no archive", async () => {
  const error = await importErrorFrom(opened("/dev/null"));
  expect(error.code).toBe("ERR_ARCHIVE_INVALID");
  expect(error.hint).toMatch(/write it to a file first/);
});

test("layers are read side by side; what is cut meanwhile is one error", async () => {
  const path = written(dockerArchive([dockerParts(PLAIN, "linked")]));
  const source = await opened(path);
  const { layers } = await resolved(source);
  const streams = await Promise.all(
    layers.map(({ descriptor }) => source.openLayer(descriptor, { signal: live(), fresh: false })),
  );
  const both = await Promise.all(streams.map((stream) => readAll(stream)));
  expect(both).toEqual(PLAIN.layers.map(({ bytes }) => Buffer.from(bytes)));
  const [first] = layers;
  if (first === undefined) throw new Error("no layer");
  const late = await source.openLayer(first.descriptor, { signal: live(), fresh: false });
  truncateSync(path, 512);
  expect((await importErrorFrom(readAll(late))).code).toBe("ERR_SIZE_MISMATCH");
});

function openFiles(path: string): number {
  const targets = readdirSync("/proc/self/fd").map((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`);
    } catch {
      return "closed meanwhile";
    }
  });
  return targets.filter((target) => target.startsWith(path)).length;
}

test("the archive is open once, until its source is closed or could not be opened", async () => {
  const path = written(dockerArchive([dockerParts(PLAIN, "docker")]));
  const source = await openImageSource(`docker-archive:${path}`, SOURCE_OPTIONS);
  const { layers } = await resolved(source);
  const streams = await Promise.all(
    layers.map(({ descriptor }) => source.openLayer(descriptor, { signal: live(), fresh: false })),
  );
  expect(openFiles(path)).toBe(1);
  await source.close();
  expect(openFiles(path)).toBe(0);
  for (const stream of streams) {
    expect((await importErrorFrom(stream.read(new Uint8Array(9)))).code).toBe("ERR_CANCELLED");
  }
  writeFileSync(path, gzipSync(TWO));
  await importErrorFrom(opened(path));
  expect(openFiles(path)).toBe(0);
});
