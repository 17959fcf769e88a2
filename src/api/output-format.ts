import type { OutputFormat } from "../import-image.ts";
import { createDirectorySink } from "../sink/directory/directory-sink.ts";
import { createErofsSink } from "../sink/erofs/erofs-sink.ts";
import { createExt4Sink } from "../sink/ext4/ext4-sink.ts";
import { createTarSink } from "../sink/tar/tar-sink.ts";
import type { ImageFormat } from "./public-types.ts";

/** What the formats' writers need to know of an import's options. */
export interface OutputFormatOptions {
  readonly diskBytes: number;
  readonly sameOwner: boolean;
  /** SOURCE_DATE_EPOCH. */
  readonly epochSeconds: number | undefined;
}

/** How a root filesystem of each format is written, named and recorded. */
export function outputFormat(format: ImageFormat, options: OutputFormatOptions): OutputFormat {
  return FORMATS[format](options);
}

const FORMATS: Readonly<Record<ImageFormat, (options: OutputFormatOptions) => OutputFormat>> = {
  ext4: (options) => ({
    format: "ext4",
    formatVersion: "rootlift_ext4_v1",
    rootfsName: "rootfs.ext4",
    isDirectory: false,
    createSink: (imagePath, onWarning) => createExt4Sink({ ...options, imagePath, onWarning }),
  }),
  erofs: ({ epochSeconds }) => ({
    format: "erofs",
    formatVersion: "rootlift_erofs_v1",
    rootfsName: "rootfs.erofs",
    isDirectory: false,
    createSink: (imagePath) => createErofsSink({ imagePath, epochSeconds }),
  }),
  dir: ({ sameOwner }) => ({
    format: "dir",
    formatVersion: "rootlift_directory_v1",
    rootfsName: "rootfs",
    isDirectory: true,
    createSink: (rootfsPath, onWarning) =>
      createDirectorySink({ rootfsPath, sameOwner, onWarning }),
  }),
  tar: () => ({
    format: "tar",
    formatVersion: "rootlift_tar_v1",
    rootfsName: "rootfs.tar",
    isDirectory: false,
    createSink: (rootfsPath) => createTarSink({ rootfsPath }),
  }),
};
