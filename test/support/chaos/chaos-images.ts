import { digestText } from "../digest-text.ts";
import { noise } from "../layered-image.ts";
import {
  directoryEntry,
  fileEntry,
  makeLayer,
  symlinkEntry,
  type LayerEntry,
} from "../make-layer.ts";
import { memoryBlobStore } from "../test-registry/blob-store.ts";
import { ManifestStore } from "../test-registry/manifest-store.ts";
import type { TestImage, TestLayer } from "../test-registry/test-image.ts";
import { encodeImage } from "../test-registry/test-image.ts";
import type { RegistryContent } from "../test-registry/test-registry.ts";

/** One image of the run, as it is asked for. */
export interface ChaosImage {
  /** Tag and name; the repository is the same for all. */
  readonly name: string;
  readonly digest: string;
  readonly platform: "linux/amd64" | "linux/arm64";
  /** Of the layer that most can be broken of. */
  readonly largestLayer: string;
  /** Large enough, for the settings of the run, to be pulled in ranges when its registry is slow. */
  readonly isLarge: boolean;
}

export const REPOSITORY = "team/chaos";

/** Small images that differ in all that matters to a pull, in one repository. */
export async function makeChaosImages(): Promise<{
  readonly content: RegistryContent;
  readonly images: readonly ChaosImage[];
}> {
  const content = { blobs: memoryBlobStore(), manifests: new ManifestStore() };
  const layers = await makeLayers();
  const images: ChaosImage[] = [];
  const add = async (
    name: string,
    image: TestImage,
    more: Partial<ChaosImage> = {},
  ): Promise<Descriptor> => {
    const descriptor = await store(content, name, image);
    const facts = { platform: "linux/amd64", isLarge: false, ...more } as const;
    images.push({ name, digest: descriptor.digest, largestLayer: largestOf(image), ...facts });
    return descriptor;
  };
  const { base, app, changes, zstd, plain, large } = layers;
  await add("gzip", { layers: [base] });
  await add("whiteouts", { layers: [base, app, changes], config: { Cmd: ["/app"] } });
  await add("zstd", { layers: [zstd, changes], format: "docker" });
  await add("plain", { layers: [plain] });
  await add("six", { layers: [base, zstd, plain, app, changes, base] });
  await add("large", { layers: [base, large] }, { isLarge: true });
  const ofArm: TestImage = {
    layers: [plain, zstd],
    platform: { os: "linux", architecture: "arm64" },
  };
  const ofIntel: TestImage = { layers: [base, app] };
  const arm = await store(content, undefined, ofArm);
  const intel = await store(content, undefined, ofIntel);
  const index = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: OCI_INDEX,
      manifests: [
        { ...arm, platform: { os: "linux", architecture: "arm64" } },
        { ...intel, platform: { os: "linux", architecture: "amd64" } },
      ],
    }),
  );
  const digest = content.manifests.put(REPOSITORY, "index", index, OCI_INDEX);
  for (const [platform, image] of [
    ["linux/amd64", ofIntel],
    ["linux/arm64", ofArm],
  ] as const) {
    const largestLayer = largestOf(image);
    images.push({ name: "index", digest, platform, largestLayer, isLarge: false });
  }
  return { content, images };
}

const OCI_INDEX = "application/vnd.oci.image.index.v1+json";

function largestOf({ layers }: TestImage): string {
  const [largest] = layers.toSorted((a, b) => b.bytes.length - a.bytes.length);
  return digestText(largest?.bytes ?? Buffer.alloc(0));
}

interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
}

async function store(
  { blobs, manifests }: RegistryContent,
  tag: string | undefined,
  image: TestImage,
): Promise<Descriptor> {
  for (const layer of image.layers) await blobs.put(layer.bytes);
  const { configBytes, manifestBytes, mediaType } = encodeImage(image);
  await blobs.put(configBytes);
  const digest = manifests.put(REPOSITORY, tag, manifestBytes, mediaType);
  return { mediaType, digest, size: manifestBytes.length };
}

async function makeLayers(): Promise<
  Readonly<Record<"base" | "app" | "changes" | "zstd" | "plain" | "large", TestLayer>>
> {
  const many = Array.from({ length: 60 }, (_, at) =>
    fileEntry(`usr/share/doc/${at}`, `text ${at}`),
  );
  const hardLink: LayerEntry = { name: "bin/link", type: "link", linkname: "bin/sh" };
  return {
    base: await makeLayer([
      directoryEntry("bin"),
      fileEntry("bin/sh", noise(60_000, "sh"), 0o755),
      hardLink,
      symlinkEntry("lib", "usr/lib"),
      directoryEntry("etc"),
      fileEntry("etc/passwd", "root:x:0:0:root:/root:/bin/sh\n"),
      fileEntry("etc/old", "goes with a later layer"),
      directoryEntry("var/cache"),
      fileEntry("var/cache/a", noise(9000, "a")),
      ...many,
    ]),
    app: await makeLayer([
      directoryEntry("app", 0o700),
      fileEntry("app/main", noise(150_000, "main"), 0o4755),
      { name: "app/again", type: "link", linkname: "app/main" },
      fileEntry("etc/passwd", "root:x:0:0:root:/root:/bin/bash\n"),
    ]),
    changes: await makeLayer([
      fileEntry("etc/.wh.old", ""),
      fileEntry("var/cache/.wh..wh..opq", ""),
      fileEntry("var/cache/b", "new"),
      fileEntry("etc/new", noise(3000, "new")),
    ]),
    zstd: await makeLayer(
      [directoryEntry("opt"), fileEntry("opt/tool", noise(90_000, "tool")), ...many],
      "zstd",
    ),
    plain: await makeLayer(
      [directoryEntry("srv"), fileEntry("srv/data", noise(40_000, "data")), fileEntry("srv/e", "")],
      "none",
    ),
    large: await makeLayer([fileEntry("blob", noise(3 << 20, "blob"))]),
  };
}
