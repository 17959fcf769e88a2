import type { ImageConfig } from "../oci/image.ts";
import type { SnapshotConfig } from "./records.ts";

/** What sandboxes start with, out of an OCI config (image-spec config.md, `config`). */
export function snapshotConfig(image: ImageConfig): SnapshotConfig {
  return {
    env: image.env,
    labels: image.labels,
    exposedPorts: image.exposedPorts,
    volumes: image.volumes,
    ...(image.user === undefined ? {} : { user: image.user }),
    ...(image.entrypoint === undefined ? {} : { entrypoint: image.entrypoint }),
    ...(image.cmd === undefined ? {} : { cmd: image.cmd }),
    ...(image.workingDir === undefined ? {} : { workingDir: image.workingDir }),
    ...(image.stopSignal === undefined ? {} : { stopSignal: image.stopSignal }),
  };
}
