import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ImportError } from "../../src/errors.ts";
import type { Digest } from "../../src/oci/digest.ts";
import { OCI_CONFIG, OCI_INDEX, OCI_MANIFEST } from "../../src/oci/media-types.ts";
import { digestOf } from "../../src/oci/verify-bytes.ts";

/** A descriptor as JSON has it. */
export interface JsonDescriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
  readonly [field: string]: unknown;
}

export interface ImageParts {
  readonly layers?: readonly JsonDescriptor[];
  readonly diffIds?: readonly string[];
  /** Laid over the config. */
  readonly config?: Readonly<Record<string, unknown>>;
  /** Laid over the manifest. */
  readonly manifest?: Readonly<Record<string, unknown>>;
}

const TAR_LAYER = "application/vnd.oci.image.layer.v1.tar";

/** Content-addressed bytes: what a registry or a layout holds. */
export class OciBlobs {
  readonly byDigest: Map<string, Buffer> = new Map();
  /** Digests in the order in which they were asked for. */
  readonly fetched: string[] = [];

  put(content: unknown, mediaType: string): JsonDescriptor {
    const bytes = Buffer.isBuffer(content) ? content : Buffer.from(JSON.stringify(content));
    const digest = digestOf(bytes).text;
    this.byDigest.set(digest, bytes);
    return { mediaType, digest, size: bytes.length };
  }

  layer(text: string): JsonDescriptor {
    return this.put(Buffer.from(text), TAR_LAYER);
  }

  /** An image with as many diffIds as layers, for linux/amd64 unless the parts say otherwise. */
  image(parts: ImageParts = {}): JsonDescriptor {
    const { layers = [], diffIds = layers.map(({ digest }) => digest) } = parts;
    const config = {
      os: "linux",
      architecture: "amd64",
      rootfs: { type: "layers", diff_ids: diffIds },
      ...parts.config,
    };
    const manifest = {
      schemaVersion: 2,
      mediaType: OCI_MANIFEST,
      config: this.put(config, OCI_CONFIG),
      layers,
    };
    return this.put({ ...manifest, ...parts.manifest }, OCI_MANIFEST);
  }

  index(
    manifests: readonly unknown[],
    extra: Readonly<Record<string, unknown>> = {},
  ): JsonDescriptor {
    return this.put({ schemaVersion: 2, mediaType: OCI_INDEX, manifests, ...extra }, OCI_INDEX);
  }

  bytesOf(digest: string): Buffer {
    const bytes = this.byDigest.get(digest);
    if (bytes === undefined) throw new ImportError("ERR_IMAGE_NOT_FOUND", `no blob ${digest}`);
    return bytes;
  }

  fetch({ digest }: { readonly digest: Digest }): Buffer {
    this.fetched.push(digest.text);
    return this.bytesOf(digest.text);
  }

  /** Writes a layout into `directory`, which may be there already. */
  writeLayout(directory: string, manifests: readonly unknown[]): void {
    mkdirSync(join(directory, "blobs", "sha256"), { recursive: true });
    writeFileSync(join(directory, "oci-layout"), '{"imageLayoutVersion":"1.0.0"}');
    writeFileSync(join(directory, "index.json"), JSON.stringify({ schemaVersion: 2, manifests }));
    for (const [digest, bytes] of this.byDigest) {
      writeFileSync(join(directory, "blobs", ...digest.split(":")), bytes);
    }
  }
}
