import { readFileSync, readdirSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { writeStreamedLayout } from "../../test/support/ext4/streamed-layout.ts";
import { fileChunks } from "../images/file-chunks.ts";
import { noiseBytes } from "../images/words.ts";
import { copyBlobs } from "../registry/copy-blobs.ts";
import { readImage } from "../registry/read-image.ts";

/** An image whose blobs lie in a directory as the test registry keeps them: `sha256-…`. */
export interface ServedImage {
  readonly blobsPath: string;
  /** A file of the manifest. */
  readonly manifestPath: string;
  readonly mediaType: string;
  readonly layerBytes: number;
}

const FILE_BYTES = 1 << 20;

/** Copies an image out of a registry. */
export async function copiedImage(reference: string, blobsPath: string): Promise<ServedImage> {
  const { manifest, mediaType, config, layers } = await readImage(reference);
  await copyBlobs([config, ...layers], blobsPath);
  const manifestPath = join(blobsPath, "manifest.json");
  writeFileSync(manifestPath, manifest);
  const layerBytes = layers.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  return { blobsPath, manifestPath, mediaType, layerBytes };
}

/** Makes an image of layers of so many MiB that cannot be compressed: all that it costs is its bytes. */
export async function madeImage(
  layerMebibytes: readonly number[],
  blobsPath: string,
): Promise<ServedImage> {
  let first = 0;
  const layers = layerMebibytes.map((files) => {
    const chunks = fileChunks({ files, bodyBytes: FILE_BYTES, first, body: noiseBytes });
    first += files;
    return { compression: "gzip", chunks } as const;
  });
  await writeStreamedLayout(blobsPath, layers);
  const index: {
    readonly manifests: readonly [{ readonly digest: string; readonly mediaType: string }];
  } = JSON.parse(readFileSync(join(blobsPath, "index.json"), "utf8"));
  const blobs = join(blobsPath, "blobs", "sha256");
  for (const hex of readdirSync(blobs)) {
    renameSync(join(blobs, hex), join(blobsPath, `sha256-${hex}`));
  }
  const [{ digest, mediaType }] = index.manifests;
  const manifestPath = join(blobsPath, digest.replace(":", "-"));
  const { layers: described }: { readonly layers: readonly { readonly size: number }[] } =
    JSON.parse(readFileSync(manifestPath, "utf8"));
  const layerBytes = described.reduce((sum, { size }) => sum + size, 0);
  return { blobsPath, manifestPath, mediaType, layerBytes };
}
