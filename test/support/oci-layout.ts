import { OciBlobs } from "./oci-blobs.ts";
import { mustRun } from "./run-program.ts";
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

/** Has skopeo push image `t` of a layout to a registry that speaks plain http. */
export async function pushLayout(
  layout: string,
  reference: string,
  options: readonly string[] = [],
): Promise<void> {
  const [from, to] = [`oci:${layout}:t`, `docker://${reference}`];
  await mustRun("skopeo", ["copy", "-q", "--dest-tls-verify=false", ...options, from, to]);
}
