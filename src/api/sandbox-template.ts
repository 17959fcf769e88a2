import { fileURLToPath } from "node:url";
import type { RegisteredImage } from "../store/records.ts";
import type { SandboxTemplate } from "./public-types.ts";

/** The platform's record of an image, and what rootlift adds. */
export function sandboxTemplate({ image, snapshot }: RegisteredImage): SandboxTemplate {
  const uri = snapshot.snapshotUri ?? "";
  return {
    id: image.id,
    name: image.name,
    snapshotId: snapshot.id,
    snapshotSandboxId: snapshot.sandboxId,
    snapshotUri: uri,
    snapshotFormatVersion: snapshot.snapshotFormatVersion,
    snapshotSizeBytes: snapshot.sizeBytes ?? 0,
    rootfsDiskBytes: snapshot.rootfsDiskBytes ?? 0,
    rootfsNodeKind: "base",
    public: image.public,
    project: image.project,
    format: snapshot.format,
    path: uri.startsWith("file:") ? fileURLToPath(uri) : "",
    createdAt: image.createdAt,
    ...(image.dockerfile === undefined ? {} : { dockerfile: image.dockerfile }),
    ...(snapshot.reference === undefined ? {} : { reference: snapshot.reference }),
    ...(snapshot.manifestDigest === undefined ? {} : { manifestDigest: snapshot.manifestDigest }),
    ...(snapshot.platform === undefined ? {} : { platform: snapshot.platform }),
    ...(snapshot.entries === undefined ? {} : { entries: snapshot.entries }),
    ...(snapshot.layers === undefined ? {} : { layers: snapshot.layers }),
    ...(snapshot.config === undefined ? {} : { config: snapshot.config }),
    ...(snapshot.omissions === undefined ? {} : { omissions: snapshot.omissions }),
  };
}
