import { closeSync, ftruncateSync, openSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import { DEFAULT_LIMITS } from "../../../src/limits.ts";
import { parseDockerManifest, selectDockerImage } from "../../../src/source/docker-manifest.ts";
import type { ImageSource } from "../../../src/source/image-source.ts";
import { openImageSource } from "../../../src/source/open-image-source.ts";
import {
  archiveOf,
  dockerArchive,
  dockerParts,
  layoutMembers,
  type DockerForm,
  type DockerParts,
} from "../../support/image-archives.ts";
import { OciBlobs } from "../../support/oci-blobs.ts";
import { SOURCE_OPTIONS } from "../../support/source-options.ts";
import type { TestImage, TestLayer } from "../../support/test-registry/test-image.ts";
import { digestText } from "../../support/digest-text.ts";
import { demand, type FuzzTarget, type OpenTarget } from "../fuzz-target.ts";
import { IMAGE_WORDS } from "../json/image-words.ts";
import { mutateJson } from "../mutate-json.ts";
import { scratchFolder } from "../scratch-folder.ts";
import { mutateTar } from "../tar/mutate-tar.ts";

const NEVER = new AbortController().signal;
const WANTED = { platform: { os: "linux", architecture: "amd64" }, explicit: false };
const FORMS: readonly DockerForm[] = ["docker", "docker 25", "linked", "kaniko", "jib"];

/** Tar archives of OCI layouts. */
export const ociArchiveTarget: FuzzTarget = {
  name: "oci-archive",
  weight: 1,
  open: () => openArchives("oci-archive", [ociSeed()]),
};

/** Archives as docker saves images, in the forms of several writers. */
export const dockerArchiveTarget: FuzzTarget = {
  name: "docker-archive",
  weight: 2,
  open: () =>
    openArchives(
      "docker-archive",
      FORMS.map((form) => dockerArchive([dockerImage(form)])),
    ),
};

/** The list of images in one: what is read of it names files of the archive, and the images can be chosen by their tags. */
export const dockerManifestTarget: FuzzTarget = {
  name: "docker-manifest",
  weight: 1,
  open: () => ({
    seeds: FORMS.map((form) => Buffer.from(JSON.stringify([dockerImage(form).item]))),
    mutate: (input, random, donor) => mutateJson(input, random, { ...IMAGE_WORDS, donor }),
    run: (input) => {
      const images = parseDockerManifest(input, { what: "it", limits: DEFAULT_LIMITS });
      const names = images.flatMap(({ config, layers }) => [config, ...layers]);
      const areInside = names.every((name) => !/^\/|^$|(^|\/)\.\.(\/|$)|\0/.test(name));
      demand(areInside, "names stay in the archive");
      for (const [position, { tags }] of images.entries()) {
        const byPlace = selectDockerImage(images, { position }, "it");
        demand(byPlace === images[position], "a place is that of an image");
        for (const tag of tags.slice(0, 3)) selectDockerImage(images, { tag }, "it");
      }
    },
  }),
};

function ociSeed(): Buffer {
  const blobs = new OciBlobs();
  const image = blobs.image({ layers: [blobs.layer("lower"), blobs.layer("upper")] });
  return archiveOf(layoutMembers(blobs, [image]));
}

function layer(bytes: Buffer): TestLayer {
  return { bytes, mediaType: "", diffId: digestText(bytes) };
}

/** Layers are not decoded here, so anything may stand for one; with gzip's magic it counts as compressed. */
function dockerImage(form: DockerForm): DockerParts {
  const plain = Buffer.alloc(700, form);
  const image: TestImage = { layers: [layer(plain), layer(Buffer.from([0x1f, 0x8b, 8, 0, 1, 2]))] };
  return dockerParts(image, form);
}

function openArchives(scheme: string, seeds: readonly Uint8Array[]): OpenTarget {
  const folder = scratchFolder(scheme);
  const path = join(folder, "image.tar");
  const fd = openSync(path, "w+");
  return {
    seeds,
    mutate: mutateTar,
    run: async (input) => {
      ftruncateSync(fd, 0);
      writeSync(fd, input, 0, input.length, 0);
      const source = await openImageSource(`${scheme}:${path}`, SOURCE_OPTIONS);
      try {
        await readImage(source, input.length);
      } finally {
        await source.close();
      }
    },
    close: () => {
      closeSync(fd);
      rmSync(folder, { recursive: true });
    },
  };
}

/** What is accepted has a config that hashes to its digest, and layers of the sizes that were stated, inside the archive. */
async function readImage(source: ImageSource, archiveBytes: number): Promise<void> {
  const image = await source.resolve(WANTED, NEVER);
  const manifest = digestText(image.manifestBytes);
  demand(manifest === image.manifestDigest.text, "the manifest has its digest");
  for (const { descriptor } of image.layers) {
    const stream = await source.openLayer(descriptor, { signal: NEVER, fresh: false });
    demand(descriptor.sizeBytes <= archiveBytes, "a layer lies in its archive");
    const target = new Uint8Array(descriptor.sizeBytes + 1);
    demand((await stream.read(target)) === descriptor.sizeBytes, "a layer has its size");
  }
}
