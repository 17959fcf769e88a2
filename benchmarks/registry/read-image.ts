/** What a benchmark needs to know of an image in a registry that speaks http without a login. */
export interface ImageLayers {
  /** Its manifest as it came, with its media type. */
  readonly manifest: Uint8Array;
  readonly mediaType: string;
  readonly config: BlobInRegistry;
  /** Bottom first. */
  readonly layers: readonly LayerInRegistry[];
}

export interface BlobInRegistry {
  readonly url: string;
  readonly digest: string;
  readonly sizeBytes: number;
}

export interface LayerInRegistry extends BlobInRegistry {
  /** `sha256:…` of the archive. */
  readonly diffId: string;
}

interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
  readonly platform?: { readonly os: string; readonly architecture: string };
}

/** A manifest, or an index. */
interface Document {
  readonly manifests?: readonly Descriptor[];
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
}

interface Config {
  readonly rootfs: { readonly diff_ids: readonly string[] };
}

const ACCEPTED = [
  "application/vnd.oci.image.manifest.v1+json",
  "application/vnd.docker.distribution.manifest.v2+json",
  "application/vnd.oci.image.index.v1+json",
  "application/vnd.docker.distribution.manifest.list.v2+json",
].join(", ");

/** Of an index, the first image for linux/amd64 or this machine's CPU. @param reference HOST/REPOSITORY:TAG */
export async function readImage(reference: string): Promise<ImageLayers> {
  const match = /^([^/]+)\/(.+):([^:/]+)$/.exec(reference);
  if (match === null) throw new Error(`${reference} is not HOST/REPOSITORY:TAG`);
  const [, host = "", repository = "", tag = ""] = match;
  const base = `http://${host}/v2/${repository}`;
  let answer = await get(`${base}/manifests/${tag}`);
  let document: Document = JSON.parse(answer.text);
  const chosen = document.manifests?.find(({ platform }) => isOurs(platform));
  if (chosen !== undefined) {
    answer = await get(`${base}/manifests/${chosen.digest}`);
    document = JSON.parse(answer.text);
  }
  const urlOf = (digest: string): string => `${base}/blobs/${digest}`;
  const { digest, size } = document.config;
  const config = await get(urlOf(digest));
  const { rootfs }: Config = JSON.parse(config.text);
  return {
    manifest: answer.bytes,
    mediaType: answer.mediaType,
    config: { url: urlOf(digest), digest, sizeBytes: size },
    layers: document.layers.map((layer, at) => ({
      url: urlOf(layer.digest),
      digest: layer.digest,
      sizeBytes: layer.size,
      diffId: rootfs.diff_ids[at] ?? "",
    })),
  };
}

function isOurs(platform: Descriptor["platform"]): boolean {
  const architecture = process.arch === "arm64" ? "arm64" : "amd64";
  return platform?.os === "linux" && platform.architecture === architecture;
}

interface Answer {
  readonly bytes: Uint8Array;
  readonly text: string;
  readonly mediaType: string;
}

async function get(url: string): Promise<Answer> {
  const response = await fetch(url, { headers: { accept: ACCEPTED } });
  if (!response.ok) throw new Error(`${url} answered ${response.status}`);
  const bytes = Buffer.from(await response.arrayBuffer());
  const mediaType = response.headers.get("content-type") ?? "";
  return { bytes, text: bytes.toString(), mediaType };
}
