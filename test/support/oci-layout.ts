import { OciBlobs } from "./oci-blobs.ts";
import { encodeImage, type TestImage } from "./test-registry/test-image.ts";

/** Writes an image as an OCI layout: what skopeo, umoci and we read alike. */
export function writeOciLayout(path: string, tag: string, image: TestImage): void {
  const blobs = new OciBlobs();
  const { configBytes, manifestBytes, mediaType } = encodeImage(image);
  for (const bytes of [configBytes, ...image.layers.map((layer) => layer.bytes)]) {
    blobs.put(bytes, "application/octet-stream");
  }
  const manifest = blobs.put(manifestBytes, mediaType);
  blobs.writeLayout(path, [
    { ...manifest, annotations: { "org.opencontainers.image.ref.name": tag } },
  ]);
}
