import { createHash } from "node:crypto";
import { ImportError, throwIfCancelled } from "../errors.ts";
import { SNIFF_BYTES, sniffCompression } from "../layer/sniff.ts";
import type { Limits } from "../limits.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import type { Digest } from "../oci/digest.ts";
import { parseDigest } from "../oci/digest.ts";
import type { ResolvedImage } from "../oci/image.ts";
import { DOCKER_CONFIG, DOCKER_MANIFEST } from "../oci/media-types.ts";
import { parseImageConfig } from "../oci/parse-image-config.ts";
import { digestOf, verifyDigest } from "../oci/verify-bytes.ts";
import type { ArchiveMember } from "./archive-index.ts";
import { shownName } from "./archive-index.ts";
import type { DockerImage } from "./docker-manifest.ts";
import { parseDockerManifest, selectDockerImage } from "./docker-manifest.ts";
import type { ImageArchive } from "./image-archive.ts";
import { openImageArchive } from "./image-archive.ts";
import type {
  ByteStream,
  ImageSource,
  OpenLayerOptions,
  OpenSourceOptions,
  WantedPlatform,
} from "./image-source.ts";
import type { LayoutSelector } from "./layout-reference.ts";
import { selectorText } from "./layout-reference.ts";
import { resolveImage } from "./resolve-image.ts";

/** skopeo calls layers of such archives this, also where they are not compressed; our manifests then are the same bytes. */
const LAYER_TYPE = "application/vnd.docker.image.rootfs.diff.tar.gzip";
const HASH_BYTES = 1 << 20;

/**
 * An image of an archive as `docker save` writes it, in both its layouts, and podman, skopeo, buildx, kaniko and jib after it:
 * `manifest.json` names a config and layers. Such an archive has no manifest of a registry's kind; the one that stands in for
 * it is the one that skopeo makes, of what the files are.
 * @throws ImportError ERR_IMAGE_NOT_FOUND, ERR_NOT_PERMITTED, ERR_MANIFEST_INVALID, ERR_ARCHIVE_INVALID
 */
export async function openDockerArchive(
  path: string,
  selector: LayoutSelector,
  { limits }: OpenSourceOptions,
): Promise<ImageSource> {
  const archive = await openImageArchive(path, `docker-archive:${path}`);
  return new DockerArchiveSource(archive, selector, limits);
}

interface SizedDigest {
  readonly digest: Digest;
  readonly sizeBytes: number;
}

class DockerArchiveSource implements ImageSource {
  readonly reference: string;
  readonly #archive: ImageArchive;
  readonly #selector: LayoutSelector;
  readonly #limits: Limits;
  /** By digest; of equal layers the first. */
  readonly #layers = new Map<string, ArchiveMember>();
  /** Of members that were hashed, by where they begin. Attack: a thousand layers that are one large file. */
  readonly #hashed = new Map<number, Digest>();
  readonly #open = new Set<ByteStream>();

  constructor(archive: ImageArchive, selector: LayoutSelector, limits: Limits) {
    this.reference = `${archive.label}${selectorText(selector)}`;
    this.#archive = archive;
    this.#selector = selector;
    this.#limits = limits;
  }

  async resolve(wanted: WantedPlatform, signal: AbortSignal): Promise<ResolvedImage> {
    throwIfCancelled(signal);
    await this.#archive.scan(this.#limits, signal);
    const image = await this.#choose();
    const config = await this.#readConfig(image.config);
    const manifest = await this.#describe(image, config, signal);
    return resolveImage({
      reference: this.reference,
      root: { bytes: Buffer.from(JSON.stringify(manifest)), mediaType: DOCKER_MANIFEST },
      wanted,
      limits: this.#limits,
      fetchManifest: async () => {
        throw new Error("a manifest has no manifests in it");
      },
      fetchConfig: async () => config,
      signal,
    });
  }

  async openLayer({ digest }: Descriptor, { signal }: OpenLayerOptions): Promise<ByteStream> {
    throwIfCancelled(signal);
    const member = this.#layers.get(digest.text);
    if (member === undefined) throw new Error(`openLayer of ${digest.text}, which no image has`);
    return this.#stream(member, `layer ${digest.text} of ${this.reference}`, signal);
  }

  async close(): Promise<void> {
    for (const stream of this.#open) stream.cancel();
    await this.#archive.close();
  }

  async #choose(): Promise<DockerImage> {
    if (!this.#archive.has("manifest.json")) throw this.#noManifest();
    const what = `the file manifest.json of ${this.#archive.label}`;
    const maxBytes = this.#limits.manifestBytes + 1;
    const bytes = await this.#archive.readDocument("manifest.json", maxBytes, what);
    const images = parseDockerManifest(bytes, { what, limits: this.#limits });
    return selectDockerImage(images, this.#selector, this.reference);
  }

  #noManifest(): ImportError {
    const hint = this.#archive.has("oci-layout")
      ? "It holds an OCI layout: use oci-archive:FILE."
      : "An archive of docker save has the file manifest.json at its top; docker before 1.10 wrote none: save it again.";
    const problem = `${this.#archive.label} holds no manifest.json`;
    return new ImportError("ERR_ARCHIVE_INVALID", problem, { hint });
  }

  /** Verified where its name is its digest, which it is but for jib's. */
  async #readConfig(name: string): Promise<Uint8Array> {
    const what = `the config of ${this.reference}`;
    const maxBytes = this.#limits.configBytes + 1;
    const bytes = await this.#archive.readDocument(name, maxBytes, what);
    const digest = digestInName(name);
    if (digest !== undefined && bytes.length < maxBytes) verifyDigest(bytes, digest, what);
    return bytes;
  }

  /** The manifest that stands in for the one that is not there. */
  async #describe(image: DockerImage, config: Uint8Array, signal: AbortSignal): Promise<object> {
    const what = `the config of ${this.reference}`;
    const layers = image.layers.length;
    const { diffIds } = parseImageConfig(config, { layers, what, limits: this.#limits });
    const described: object[] = [];
    for (const [at, name] of image.layers.entries()) {
      const diffId = diffIds[at];
      // As many as layers, or the config was refused.
      if (diffId === undefined) break;
      const layer = await this.#addLayer(name, diffId, signal);
      described.push(descriptorOf(LAYER_TYPE, layer));
    }
    return {
      schemaVersion: 2,
      mediaType: DOCKER_MANIFEST,
      config: descriptorOf(DOCKER_CONFIG, { digest: digestOf(config), sizeBytes: config.length }),
      layers: described,
    };
  }

  /** What the decoder will verify: the bytes of the file against their digest, and what they unpack to against `diffId`. */
  async #addLayer(name: string, diffId: Digest, signal: AbortSignal): Promise<SizedDigest> {
    const member = this.#archive.find(name, `layer ${shownName(name)} of ${this.reference}`);
    const digest = blobDigest(name) ?? (await this.#digestOf(member, diffId, signal));
    if (!this.#layers.has(digest.text)) this.#layers.set(digest.text, member);
    return { digest, sizeBytes: member.sizeBytes };
  }

  /** A plain layer's is its diffId. Of a compressed one nothing says it, so it is read one more time. */
  async #digestOf(member: ArchiveMember, diffId: Digest, signal: AbortSignal): Promise<Digest> {
    const head = await this.#archive.readMember(member, SNIFF_BYTES);
    if (sniffCompression(head) === "none") return diffId;
    const known = this.#hashed.get(member.start);
    if (known !== undefined) return known;
    const stream = this.#stream(member, `a layer of ${this.reference}`, signal);
    try {
      const digest = await digestOfStream(stream, member.sizeBytes);
      this.#hashed.set(member.start, digest);
      return digest;
    } finally {
      stream.cancel();
    }
  }

  #stream(member: ArchiveMember, what: string, signal: AbortSignal): ByteStream {
    const stream = this.#archive.stream(member, {
      signal,
      what,
      onClose: () => this.#open.delete(stream),
    });
    this.#open.add(stream);
    return stream;
  }
}

async function digestOfStream(stream: ByteStream, sizeBytes: number): Promise<Digest> {
  const hash = createHash("sha256");
  const buffer = new Uint8Array(Math.min(HASH_BYTES, sizeBytes));
  for (let left = sizeBytes; left > 0;) {
    const received = await stream.read(buffer);
    hash.update(buffer.subarray(0, received));
    left -= received;
  }
  const hex = hash.digest("hex");
  return { text: `sha256:${hex}`, algorithm: "sha256", hex };
}

function descriptorOf(mediaType: string, { digest, sizeBytes }: SizedDigest): object {
  return { mediaType, size: sizeBytes, digest: digest.text };
}

/** `blobs/sha256/HEX`: Docker from 25 on. */
function blobDigest(name: string): Digest | undefined {
  const [, algorithm = "", hex = ""] = /^blobs\/([^/]+)\/([^/]+)$/.exec(name) ?? [];
  return parseDigest(`${algorithm}:${hex}`);
}

/** `HEX.json` (docker, podman, skopeo), `sha256:HEX` (kaniko) or a blob. */
function digestInName(name: string): Digest | undefined {
  const [, hex = ""] = /^(?:sha256:)?([0-9a-f]{64})(?:\.json)?$/.exec(name) ?? [];
  return blobDigest(name) ?? parseDigest(`sha256:${hex}`);
}
