import type { OptionSpec } from "../command.ts";
import { JSON_OPTION } from "../command.ts";
import {
  LIMIT_OPTION,
  OUTPUT,
  PROGRESS_OPTIONS,
  PULL_OPTIONS,
  RESOURCES,
  SAFETY,
  TRACE_OPTION,
} from "./pull-options.ts";

const NAMING = "What is registered";

/** Spelled as users of `tl` know them (`--disk_mb` with an underscore), ours with hyphens. */
export const IMPORT_OPTIONS: readonly OptionSpec[] = [
  {
    name: "registered-name",
    short: "n",
    value: "NAME",
    group: NAMING,
    describe: "Name to register [default: derived, pytorch/pytorch:2.4.1 becomes pytorch]",
  },
  {
    name: "replace",
    group: NAMING,
    describe: "Take the name over if it is registered already",
  },
  {
    name: "public",
    short: "p",
    group: NAMING,
    describe: "Let every project resolve the name",
  },
  {
    name: "format",
    value: "FORMAT",
    group: NAMING,
    describe:
      "What the root filesystem becomes: ext4, a disk image, which takes no root; erofs, a read-only one; dir, a directory; tar, one archive [default: ext4]",
  },
  {
    name: "output",
    value: "PATH",
    group: NAMING,
    describe:
      "Put the root filesystem there instead of into the store, and register it from there; must not exist (for a directory: or be an empty one)",
  },
  {
    name: "disk_mb",
    value: "MB",
    group: NAMING,
    describe:
      "Size of the disk image and of a sandbox's root disk, in MiB, up to 16 TiB; the file is sparse and takes what the image needs [default: 10240]",
  },
  {
    name: "dry-run",
    group: NAMING,
    describe: "Only resolve the image and check the name; pull and write nothing",
  },
  ...PULL_OPTIONS,
  {
    name: "blob-cache",
    value: "SIZE",
    group: RESOURCES,
    describe:
      "Keep layers that come from a registry in the store, compressed, and do not ask for them again: off, on (up to 10 GiB), or a size such as 500M or 20G [default: off]",
    env: "ROOTLIFT_BLOB_CACHE",
  },
  {
    name: "no-same-owner",
    group: SAFETY,
    describe:
      "A directory without root: write what this user may write (owners, device nodes and privileged attributes are listed in the snapshot instead)",
  },
  {
    name: "no-fsync",
    group: SAFETY,
    describe: "Register without waiting for the disk: faster, lost if the power fails",
  },
  LIMIT_OPTION,
  {
    name: "docker_compat",
    group: SAFETY,
    describe:
      "Accepted for scripts written for the platform; there is no Docker path, so it only warns",
  },
  { ...JSON_OPTION, group: OUTPUT, describe: "Print the registered record as JSON on stdout" },
  ...PROGRESS_OPTIONS,
  {
    name: "timings",
    group: OUTPUT,
    describe:
      "Then print what each layer and stage took, and which was the bottleneck; with --json in the record",
  },
  TRACE_OPTION,
];
