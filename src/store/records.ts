import type { RunConfig } from "../oci/image.ts";

/** `in_progress → completed | failed`. Compared in lower case only, as the platform does. */
export type SnapshotStatus = "in_progress" | "completed" | "failed";
export type RootfsFormat = "dir" | "ext4" | "erofs" | "tar";

/** A layer that a snapshot was made of. */
export interface LayerRecord {
  /** Of the compressed bytes. */
  readonly digest: string;
  /** Of the uncompressed bytes. */
  readonly diffId: string;
  /** Compressed. */
  readonly sizeBytes: number;
}

/** One root filesystem on disk: `snapshots/<id>/snapshot.json`, and a row of the catalog. */
export interface SnapshotRecord {
  /** `snap_` and 20 lower-case letters and digits. */
  readonly id: string;
  readonly status: SnapshotStatus;
  /** Who made it: `import_` and the ingest's id. */
  readonly sandboxId: string;
  /** `file:` URL of the root filesystem; durable once `completed`. */
  readonly snapshotUri?: string;
  /** e.g. `rootlift_directory_v1`. */
  readonly snapshotFormatVersion: string;
  readonly format: RootfsFormat;
  /** What the root filesystem occupies. */
  readonly sizeBytes?: number;
  /** The size of the disk it makes. */
  readonly rootfsDiskBytes?: number;
  readonly entries?: number;
  /** Normalised source reference, e.g. `docker.io/library/alpine:3.20`. */
  readonly reference?: string;
  readonly manifestDigest?: string;
  /** `linux/amd64`. */
  readonly platform?: string;
  /** Bottom first. */
  readonly layers?: readonly LayerRecord[];
  /** RFC 3339, UTC. */
  readonly createdAt: string;
  readonly toolVersion: string;
  readonly dockerfile?: string;
  /** What sandboxes start with, out of the OCI config. */
  readonly config?: RunConfig;
  /** What could not be written exactly (`--no-same-owner`). */
  readonly omissions?: readonly string[];
  readonly error?: string;
}

/** A name of a snapshot. Unique in its project; a public one is unique everywhere. */
export interface ImageRecord {
  /** `sandbox_template_` and 20 lower-case letters and digits. */
  readonly id: string;
  readonly name: string;
  /** The project it belongs to; `default` when none is configured. */
  readonly project: string;
  readonly public: boolean;
  readonly snapshotId: string;
  readonly dockerfile?: string;
  /** RFC 3339, UTC. */
  readonly createdAt: string;
}

/** An image together with the snapshot that it names. */
export interface RegisteredImage {
  readonly image: ImageRecord;
  readonly snapshot: SnapshotRecord;
}
