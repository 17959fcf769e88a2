import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import type { ImportError } from "../../src/errors.ts";
import { requireDigest } from "../../src/oci/digest.ts";
import type { ResolvedImage } from "../../src/oci/image.ts";
import { parsePlatform } from "../../src/oci/parse-platform.ts";
import type { ImageSource } from "../../src/source/image-source.ts";
import { openImageSource } from "../../src/source/open-image-source.ts";
import { archiveOf, layoutMembers, withBody, type Member } from "../support/image-archives.ts";
import { importErrorFrom } from "../support/import-error.ts";
import { OciBlobs } from "../support/oci-blobs.ts";
import { scratchDirectory } from "../support/scratch.ts";
import { SOURCE_OPTIONS } from "../support/source-options.ts";

const AMD64 = { os: "linux", architecture: "amd64" };
const ARM64 = { os: "linux", architecture: "arm64" };

function tagged(descriptor: object, tag: string): object {
  return { ...descriptor, annotations: { "org.opencontainers.image.ref.name": tag } };
}

function live(): AbortSignal {
  return new AbortController().signal;
}

async function opened(members: readonly Member[], selector = ""): Promise<ImageSource> {
  const path = join(scratchDirectory(), "image.tar");
  writeFileSync(path, archiveOf(members));
  const source = await openImageSource(`oci-archive:${path}${selector}`, SOURCE_OPTIONS);
  onTestFinished(() => source.close());
  return source;
}

async function resolve(
  members: readonly Member[],
  selector = "",
  platform = "linux/amd64",
): Promise<ResolvedImage> {
  const source = await opened(members, selector);
  return source.resolve({ platform: parsePlatform(platform), explicit: false }, live());
}

function refusal(members: readonly Member[], selector = ""): Promise<ImportError> {
  return importErrorFrom(resolve(members, selector));
}

/** Two images of one layer each, tagged `v1` and `v2`. */
function twoImages(): { readonly members: Member[]; readonly digests: readonly string[] } {
  const blobs = new OciBlobs();
  const images = ["one", "two"].map((text) => blobs.image({ layers: [blobs.layer(text)] }));
  const entries = images.map((image, at) => tagged(image, `v${at + 1}`));
  return { members: layoutMembers(blobs, entries), digests: images.map(({ digest }) => digest) };
}

test("an image is chosen by tag, digest or place, as in a layout", async () => {
  const { members, digests } = twoImages();
  const [, second = ""] = digests;
  for (const selector of [":v2", `@${second}`, ":@1", `:v1@${second}`]) {
    expect((await resolve(members, selector)).manifestDigest.text).toBe(second);
  }
});

test("without a choice, or with a wrong one, the error lists what there is", async () => {
  const { members } = twoImages();
  const unsaid = await refusal(members);
  expect(unsaid.code).toBe("ERR_REFERENCE_INVALID");
  expect(unsaid.message).toMatch(/^oci-archive:.* holds 2 images: v1, v2$/);
  expect(unsaid.hint).toContain("oci-archive:FILE:TAG");
  expect((await refusal(members, ":v3")).message).toMatch(/no tag "v3"; it has v1, v2/);
  expect((await refusal(members, ":@2")).message).toMatch(/no image @2; it has v1, v2/);
});

test("an index in the archive is searched for the platform", async () => {
  const blobs = new OciBlobs();
  const amd64 = { ...blobs.image(), platform: AMD64 };
  const arm64 = { ...blobs.image({ config: ARM64 }), platform: ARM64 };
  const members = layoutMembers(blobs, [tagged(blobs.index([amd64, arm64]), "all")]);
  const image = await resolve(members, ":all", "linux/arm64");
  expect(image.manifestDigest.text).toBe(arm64.digest);
  expect((await resolve(members, `@${amd64.digest}`)).manifestDigest.text).toBe(amd64.digest);
});

test("layers are the bytes of the archive, whose names may begin with ./ and lie before their index", async () => {
  const { members } = twoImages();
  const source = await opened(
    members.toReversed().map(({ name, body = "" }) => ({ name: `./${name}`, body })),
    ":v1",
  );
  const image = await source.resolve(
    { platform: parsePlatform("linux/amd64"), explicit: false },
    live(),
  );
  const [layer] = image.layers;
  if (layer === undefined) throw new Error("no layer");
  const stream = await source.openLayer(layer.descriptor, { signal: live(), fresh: false });
  const target = Buffer.alloc(10);
  expect(await stream.read(target)).toBe(3);
  expect(target.toString("latin1", 0, 3)).toBe("one");
});

test("blobs may be links to other blobs of the archive", async () => {
  const { members, digests } = twoImages();
  const name = `blobs/${(digests[0] ?? "").replace(":", "/")}`;
  const linked = members.flatMap((member) =>
    member.name === name
      ? [
          { name: "shared", body: member.body ?? "" },
          { name, type: "2", link: "../../shared" },
        ]
      : [member],
  );
  expect((await resolve(linked, ":v1")).manifestDigest.text).toBe(digests[0]);
});

function changed(name: string, body: string | undefined): Member[] {
  return withBody(twoImages().members, name, () => body);
}

test.each([
  ["no oci-layout", changed("oci-layout", undefined), "ERR_ARCHIVE_INVALID", /holds no OCI layout/],
  ["no index.json", changed("index.json", undefined), "ERR_IMAGE_NOT_FOUND", /no file index\.json/],
  [
    "a layout of another version",
    changed("oci-layout", '{"imageLayoutVersion":"2.0.0"}'),
    "ERR_UNSUPPORTED_MEDIA_TYPE",
    /2\.0\.0/,
  ],
  [
    "an index.json that is no JSON",
    changed("index.json", "root:x"),
    "ERR_MANIFEST_INVALID",
    /is not JSON/,
  ],
  [
    "two files index.json",
    [...twoImages().members, { name: "./index.json", body: "{}" }],
    "ERR_ARCHIVE_INVALID",
    /"index\.json" is there twice/,
  ],
  ["nothing", [], "ERR_ARCHIVE_INVALID", /holds no OCI layout/],
])("an archive with %s is refused", async (_, members, code, message) => {
  const error = await refusal(members);
  expect(error.code).toBe(code);
  expect(error.message).toMatch(message);
});

test.each([
  ["changed", (text: string) => text.replace("{", " "), "ERR_DIGEST_MISMATCH"],
  ["longer", (text: string) => `${text} `, "ERR_SIZE_MISMATCH"],
  ["cut", (text: string) => text.slice(1), "ERR_SIZE_MISMATCH"],
])("a manifest that is %s is refused", async (_, change, code) => {
  const { members, digests } = twoImages();
  const name = `blobs/${(digests[0] ?? "").replace(":", "/")}`;
  const damaged = withBody(members, name, change);
  expect((await refusal(damaged, ":v1")).code).toBe(code);
});

test("a layer of another size is ERR_SIZE_MISMATCH before the first byte, a missing one not found", async () => {
  const { members } = twoImages();
  const { layers } = await resolve(members, ":v1");
  const [layer] = layers;
  if (layer === undefined) throw new Error("no layer");
  const source = await opened(members, ":v1");
  await source.resolve({ platform: parsePlatform("linux/amd64"), explicit: false }, live());
  const open = (descriptor: typeof layer.descriptor): Promise<unknown> =>
    source.openLayer(descriptor, { signal: live(), fresh: false });
  const wrong = await importErrorFrom(open({ ...layer.descriptor, sizeBytes: 9 }));
  expect(wrong.code).toBe("ERR_SIZE_MISMATCH");
  const digest = requireDigest(`sha256:${"0".repeat(64)}`, "it");
  const missing = await importErrorFrom(open({ ...layer.descriptor, digest }));
  expect(missing.code).toBe("ERR_IMAGE_NOT_FOUND");
});
