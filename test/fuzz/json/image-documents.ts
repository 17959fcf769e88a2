import { EMPTY_SHA256 } from "./image-words.ts";

const OCI = "application/vnd.oci.image";
const DOCKER = "application/vnd.docker";
const digestOf = (digit: string): string => `sha256:${digit.repeat(64)}`;
const descriptor = (mediaType: string, digit: string, more: object = {}): object => ({
  mediaType,
  digest: digestOf(digit),
  size: 1000,
  ...more,
});
const platform = (os: string, architecture: string, more: object = {}): object => ({
  platform: { os, architecture, ...more },
});
const asBytes = (documents: readonly object[]): readonly Uint8Array[] =>
  documents.map((document) => Buffer.from(JSON.stringify(document)));

/** What registries serve as the manifest of an image, and what is none. */
export function manifestDocuments(): readonly Uint8Array[] {
  const config = descriptor(`${OCI}.config.v1+json`, "c");
  const layer = descriptor(`${OCI}.layer.v1.tar+gzip`, "1");
  const oci = { schemaVersion: 2, mediaType: `${OCI}.manifest.v1+json`, config, layers: [layer] };
  const docker = {
    schemaVersion: 2,
    mediaType: `${DOCKER}.distribution.manifest.v2+json`,
    config: descriptor(`${DOCKER}.container.image.v1+json`, "d"),
    layers: [
      descriptor(`${DOCKER}.image.rootfs.diff.tar.gzip`, "2"),
      descriptor(`${DOCKER}.image.rootfs.foreign.diff.tar.gzip`, "3", {
        urls: ["https://example.com/blob"],
      }),
    ],
  };
  return asBytes([
    oci,
    { ...oci, mediaType: undefined },
    { ...oci, layers: [] },
    { ...oci, annotations: { "org.opencontainers.image.created": "2026-01-01T00:00:00Z" } },
    {
      ...oci,
      layers: [
        descriptor(`${OCI}.layer.v1.tar+zstd`, "4"),
        { mediaType: `${OCI}.layer.v1.tar`, digest: EMPTY_SHA256, size: 0, data: "" },
        descriptor(`${OCI}.layer.nondistributable.v1.tar+gzip`, "5"),
      ],
    },
    { ...oci, layers: [descriptor(`${OCI}.layer.v1.tar+gzip+encrypted`, "6")] },
    { ...oci, artifactType: "application/vnd.example", subject: config },
    docker,
    {
      schemaVersion: 1,
      name: "library/old",
      tag: "1",
      fsLayers: [{ blobSum: digestOf("7") }],
      history: [],
    },
  ]);
}

/** Indexes and lists: platforms, attestations, an index inside. */
export function indexDocuments(): readonly Uint8Array[] {
  const manifest = `${OCI}.manifest.v1+json`;
  const index = {
    schemaVersion: 2,
    mediaType: `${OCI}.index.v1+json`,
    manifests: [
      descriptor(manifest, "1", platform("linux", "amd64")),
      descriptor(manifest, "2", platform("linux", "arm64", { variant: "v8" })),
      descriptor(manifest, "3", platform("linux", "arm", { variant: "v7" })),
      descriptor(manifest, "4", {
        ...platform("unknown", "unknown"),
        annotations: { "vnd.docker.reference.type": "attestation-manifest" },
      }),
    ],
  };
  return asBytes([
    index,
    { ...index, mediaType: undefined },
    { ...index, manifests: [] },
    { ...index, manifests: [descriptor(`${OCI}.index.v1+json`, "5"), descriptor(manifest, "6")] },
    {
      schemaVersion: 2,
      mediaType: `${DOCKER}.distribution.manifest.list.v2+json`,
      manifests: [
        descriptor(
          `${DOCKER}.distribution.manifest.v2+json`,
          "7",
          platform("windows", "amd64", {
            "os.version": "10.0.20348.1726",
            "os.features": ["win32k"],
          }),
        ),
        descriptor(`${DOCKER}.distribution.manifest.v2+json`, "8", platform("linux", "386")),
      ],
    },
  ]);
}

/** Image configs, and what is about as long. */
export function configDocuments(): readonly Uint8Array[] {
  const config = {
    created: "2026-01-01T00:00:00Z",
    architecture: "amd64",
    os: "linux",
    config: {
      User: "1000:1000",
      Env: ["PATH=/usr/bin:/bin", "EMPTY="],
      Entrypoint: ["/bin/sh", "-c"],
      Cmd: ["true"],
      WorkingDir: "/work",
      Labels: { "org.example.label": "value" },
      ExposedPorts: { "80/tcp": {} },
      Volumes: { "/data": {} },
      StopSignal: "SIGTERM",
    },
    rootfs: { type: "layers", diff_ids: [digestOf("a"), digestOf("b")] },
    history: [{ created_by: "a" }, { created_by: "b", empty_layer: true }],
  };
  return asBytes([
    config,
    { ...config, config: null, history: null },
    { ...config, config: { Cmd: "a text", Labels: null } },
    { ...config, variant: "v3", "os.version": "1", "os.features": [] },
    { architecture: "arm64", os: "linux", rootfs: { type: "layers", diff_ids: [] } },
    { imageLayoutVersion: "1.0.0" },
    {},
  ]);
}
