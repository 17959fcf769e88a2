import { join } from "node:path";
import { throwIfCancelled } from "../errors.ts";
import type { Limits } from "../limits.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import type { Digest } from "../oci/digest.ts";
import type { ResolvedImage } from "../oci/image.ts";
import { documentTooLong, invalidDocument } from "../oci/json-object.ts";
import { checkLayoutMarker } from "../oci/parse-layout-marker.ts";
import { parseManifest } from "../oci/parse-manifest.ts";
import { verifyBytes } from "../oci/verify-bytes.ts";
import type { BlobStreamOptions } from "./blob-stream.ts";
import { openBlobStream, streamOfBytes } from "./blob-stream.ts";
import type {
  ByteStream,
  ImageSource,
  OpenLayerOptions,
  OpenSourceOptions,
  WantedPlatform,
} from "./image-source.ts";
import type { LayoutSelector } from "./layout-reference.ts";
import { selectorText } from "./layout-reference.ts";
import { readRegularFile } from "./regular-file.ts";
import type { RootEntries, RootManifest } from "./resolution.ts";
import { resolveImage } from "./resolve-image.ts";
import { selectLayoutImage } from "./select-layout-image.ts";

/** The files of a layout, by their names in it: in a directory, or in an archive. */
export interface LayoutFiles {
  /** `oci:DIR`, for messages. */
  readonly label: string;
  /** At most `maxBytes`. @param what how messages name it @throws ImportError ERR_IMAGE_NOT_FOUND … */
  readonly read: (name: string, maxBytes: number, what: string) => Promise<Uint8Array>;
  /** @throws ImportError ERR_SIZE_MISMATCH when it has another size than the descriptor */
  readonly open: (
    name: string,
    descriptor: Descriptor,
    options: BlobStreamOptions,
  ) => Promise<ByteStream>;
}

/** `{"imageLayoutVersion":"1.0.0"}` and room for what others may add. */
const MARKER_BYTES = 64 << 10;

/**
 * An OCI image layout on the disk (image-spec image-layout.md): `oci-layout`, `index.json`, `blobs/ALGORITHM/HEX`.
 * File names come from digests only, whose grammar leaves no way out of `blobs/`; links are followed (`openRegularFile`).
 * @throws ImportError ERR_IMAGE_NOT_FOUND, ERR_NOT_PERMITTED, ERR_MANIFEST_INVALID, ERR_UNSUPPORTED_MEDIA_TYPE
 */
export async function openOciLayout(
  path: string,
  selector: LayoutSelector,
  options: OpenSourceOptions,
): Promise<ImageSource> {
  const files: LayoutFiles = {
    label: `oci:${path}`,
    read: (name, maxBytes, what) => readRegularFile(join(path, name), maxBytes, what),
    open: (name, descriptor, streamOptions) =>
      openBlobStream(join(path, name), descriptor, streamOptions),
  };
  await requireLayoutMarker(files);
  return new OciLayoutSource(files, selector, options.limits);
}

/** @throws ImportError ERR_IMAGE_NOT_FOUND, ERR_MANIFEST_INVALID, ERR_UNSUPPORTED_MEDIA_TYPE */
export async function requireLayoutMarker(files: LayoutFiles): Promise<void> {
  const marker = `the file oci-layout of ${files.label}`;
  checkLayoutMarker(await files.read("oci-layout", MARKER_BYTES, marker), marker);
}

/** An image of a layout whose marker was looked at. */
export class OciLayoutSource implements ImageSource {
  readonly reference: string;
  readonly #files: LayoutFiles;
  readonly #selector: LayoutSelector;
  readonly #limits: Limits;
  readonly #open = new Set<ByteStream>();

  constructor(files: LayoutFiles, selector: LayoutSelector, limits: Limits) {
    this.reference = `${files.label}${selectorText(selector)}`;
    this.#files = files;
    this.#selector = selector;
    this.#limits = limits;
  }

  async resolve(wanted: WantedPlatform, signal: AbortSignal): Promise<ResolvedImage> {
    throwIfCancelled(signal);
    const entries = await this.#readIndex();
    return resolveImage({
      reference: this.reference,
      root: await this.#chooseRoot(entries),
      wanted,
      limits: this.#limits,
      fetchManifest: async (descriptor) => ({
        bytes: await this.#readBlob(descriptor, "manifest"),
      }),
      fetchConfig: (descriptor) => this.#readBlob(descriptor, "config"),
      signal,
    });
  }

  async openLayer(descriptor: Descriptor, { signal }: OpenLayerOptions): Promise<ByteStream> {
    throwIfCancelled(signal);
    if (descriptor.data !== undefined) return streamOfBytes(descriptor.data);
    const stream = await this.#files.open(blobName(descriptor.digest), descriptor, {
      signal,
      what: `layer ${descriptor.digest.text} of ${this.reference}`,
      onClose: () => this.#open.delete(stream),
    });
    this.#open.add(stream);
    return stream;
  }

  async close(): Promise<void> {
    for (const stream of this.#open) stream.cancel();
  }

  async #readIndex(): Promise<readonly Descriptor[]> {
    const what = `the file index.json of ${this.reference}`;
    const bytes = await this.#files.read("index.json", this.#limits.manifestBytes + 1, what);
    const index = parseManifest(bytes, { what, limits: this.#limits });
    if (index.kind !== "index") throw invalidDocument(what, "is a manifest, not an index");
    return index.entries;
  }

  async #chooseRoot(entries: readonly Descriptor[]): Promise<RootManifest | RootEntries> {
    const selector = this.#selector;
    if (selector !== undefined && "digest" in selector && !lists(entries, selector.digest)) {
      return this.#unlistedRoot(selector.digest);
    }
    const chosen = selectLayoutImage(entries, selector, this.reference);
    const [only] = chosen;
    if (only === undefined || chosen.length > 1) return { entries: chosen };
    const what = `the manifest of ${this.reference}`;
    const value = only.sizeBytes;
    if (value > this.#limits.manifestBytes) {
      throw documentTooLong(what, this.#limits, { limit: "manifestBytes", value });
    }
    const bytes = only.data ?? (await this.#readBlob(only, "manifest"));
    verifyBytes(bytes, only, what);
    return { bytes, mediaType: only.mediaType, digest: only.digest };
  }

  /** A digest may name what only a nested index lists: its blob is there all the same. */
  async #unlistedRoot(digest: Digest): Promise<RootManifest> {
    const what = `manifest ${digest.text} of ${this.reference}`;
    const maxBytes = this.#limits.manifestBytes + 1;
    return { bytes: await this.#files.read(blobName(digest), maxBytes, what), digest };
  }

  /** One byte more than the descriptor says, so that whoever verifies sees that there is more. */
  #readBlob(descriptor: Descriptor, kind: string): Promise<Uint8Array> {
    const what = `${kind} ${descriptor.digest.text} of ${this.reference}`;
    return this.#files.read(blobName(descriptor.digest), descriptor.sizeBytes + 1, what);
  }
}

/** `blobs/sha256/…`: the same in a directory and in an archive. */
function blobName({ algorithm, hex }: Digest): string {
  return `blobs/${algorithm}/${hex}`;
}

function lists(entries: readonly Descriptor[], wanted: Digest): boolean {
  return entries.some(({ digest }) => digest.text === wanted.text);
}
