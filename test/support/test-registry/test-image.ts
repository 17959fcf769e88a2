import { digestText } from "../digest-text.ts";

export interface TestLayer {
  /** As stored, so compressed if the media type says so. */
  readonly bytes: Uint8Array;
  readonly mediaType: string;
  /** `sha256:…` of the uncompressed layer. */
  readonly diffId: string;
  /** Foreign layers only. */
  readonly urls?: readonly string[];
}

export interface TestImage {
  readonly layers: readonly TestLayer[];
  /** Default linux/amd64. */
  readonly platform?: { readonly os: string; readonly architecture: string };
  /** The `config` member of the image config: Env, Cmd, Labels … */
  readonly config?: Readonly<Record<string, unknown>>;
  /** Default `oci`. */
  readonly format?: "oci" | "docker";
}

export interface EncodedImage {
  readonly configBytes: Uint8Array;
  readonly manifestBytes: Uint8Array;
  readonly mediaType: string;
}

const MEDIA_TYPES = {
  oci: {
    manifest: "application/vnd.oci.image.manifest.v1+json",
    config: "application/vnd.oci.image.config.v1+json",
  },
  docker: {
    manifest: "application/vnd.docker.distribution.manifest.v2+json",
    config: "application/vnd.docker.container.image.v1+json",
  },
} as const;

/** Config and manifest of an image of these layers, bottom first (image-spec config.md, manifest.md). */
export function encodeImage(image: TestImage): EncodedImage {
  const types = MEDIA_TYPES[image.format ?? "oci"];
  const { os, architecture } = image.platform ?? { os: "linux", architecture: "amd64" };
  const configBytes = json({
    created: "2026-01-01T00:00:00Z",
    os,
    architecture,
    config: image.config ?? {},
    rootfs: { type: "layers", diff_ids: image.layers.map((layer) => layer.diffId) },
  });
  const manifestBytes = json({
    schemaVersion: 2,
    mediaType: types.manifest,
    config: describe(types.config, configBytes),
    layers: image.layers.map((layer) => ({
      ...describe(layer.mediaType, layer.bytes),
      ...(layer.urls === undefined ? {} : { urls: layer.urls }),
    })),
  });
  return { configBytes, manifestBytes, mediaType: types.manifest };
}

function describe(mediaType: string, bytes: Uint8Array): Record<string, string | number> {
  return { mediaType, digest: digestText(bytes), size: bytes.length };
}

function json(value: unknown): Uint8Array {
  return Buffer.from(JSON.stringify(value));
}
