import type { ImageConfig, RunConfig } from "../oci/image.ts";

/** The part of an OCI config that a snapshot keeps. */
export function snapshotConfig(image: ImageConfig): RunConfig {
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
