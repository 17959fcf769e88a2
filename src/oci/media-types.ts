/** Media types of the image-spec (media-types.md) and of Docker's schema 2, and what we do with each. */
export const OCI_INDEX = "application/vnd.oci.image.index.v1+json";
export const OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json";
export const OCI_CONFIG = "application/vnd.oci.image.config.v1+json";
export const DOCKER_INDEX = "application/vnd.docker.distribution.manifest.list.v2+json";
export const DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json";
export const DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json";

export type DocumentKind = "index" | "image" | "schema1";

const DOCUMENT_KINDS: ReadonlyMap<string, DocumentKind> = new Map([
  [OCI_INDEX, "index"],
  [DOCKER_INDEX, "index"],
  [OCI_MANIFEST, "image"],
  [DOCKER_MANIFEST, "image"],
  ["application/vnd.docker.distribution.manifest.v1+json", "schema1"],
  ["application/vnd.docker.distribution.manifest.v1+prettyjws", "schema1"],
]);

/** Old registries and builders wrote these for images; the config itself then decides (MAN-10, moby's list). */
const VAGUE_CONFIGS = new Set(["", "application/octet-stream", "application/json", "text/html"]);

const LAYER =
  /^application\/vnd\.(?:oci\.image\.layer(?:\.nondistributable)?\.v1\.tar(?:\+(?:gzip|zstd))?|docker\.image\.rootfs(?:\.foreign)?\.diff\.tar(?:\.(?:gzip|zstd))?)$/;
const VAGUE_LAYERS = new Set(["", "application/octet-stream"]);

/** What is compared: without parameters, in lower case. */
export function essenceOf(mediaType: string): string {
  const [essence = ""] = mediaType.split(";", 1);
  return essence.trim().toLowerCase();
}

/** @returns `undefined` for a type that is no manifest or index, or says nothing (`application/json`). */
export function documentKind(mediaType: string): DocumentKind | undefined {
  return DOCUMENT_KINDS.get(essenceOf(mediaType));
}

export function isImageConfig(mediaType: string): boolean {
  const essence = essenceOf(mediaType);
  return essence === OCI_CONFIG || essence === DOCKER_CONFIG || VAGUE_CONFIGS.has(essence);
}

/** A tar layer, or a type that leaves it to the bytes (MAN-13). */
export function isTarLayer(mediaType: string): boolean {
  const essence = essenceOf(mediaType);
  return LAYER.test(essence) || VAGUE_LAYERS.has(essence);
}

export function isAttestationLayer(mediaType: string): boolean {
  return essenceOf(mediaType) === "application/vnd.in-toto+json";
}

export function isEncryptedLayer(mediaType: string): boolean {
  return essenceOf(mediaType).endsWith("+encrypted");
}
