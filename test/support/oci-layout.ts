import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { digestOf } from "./test-registry/blob-store.ts";
import { encodeImage, type TestImage } from "./test-registry/test-image.ts";

/** Writes an image as an OCI layout: what skopeo, umoci and we read alike. */
export function writeOciLayout(path: string, tag: string, image: TestImage): void {
  const blobs = join(path, "blobs", "sha256");
  mkdirSync(blobs, { recursive: true });
  const { configBytes, manifestBytes, mediaType } = encodeImage(image);
  for (const bytes of [configBytes, manifestBytes, ...image.layers.map((layer) => layer.bytes)]) {
    writeFileSync(join(blobs, digestOf(bytes).replace("sha256:", "")), bytes);
  }
  const descriptor = {
    mediaType,
    digest: digestOf(manifestBytes),
    size: manifestBytes.length,
    annotations: { "org.opencontainers.image.ref.name": tag },
  };
  const index = { schemaVersion: 2, manifests: [descriptor] };
  writeFileSync(join(path, "oci-layout"), JSON.stringify({ imageLayoutVersion: "1.0.0" }));
  writeFileSync(join(path, "index.json"), JSON.stringify(index));
}
