import type { OptionSpec } from "../command.ts";
import { JSON_OPTION } from "../command.ts";

const NAMING = "What is registered";
const OUTPUT = "Output";
const SOURCE = "Where it comes from";
const RESOURCES = "Resources";
const SAFETY = "Exactness and safety";

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
  {
    name: "platform",
    value: "PLATFORM",
    group: SOURCE,
    describe:
      "Which platform of the image: os/arch[/variant], e.g. linux/arm64 [default: linux and this machine's CPU]",
  },
  {
    name: "plain-http",
    group: SOURCE,
    describe: "Speak http, not https, with the registry (loopback registries may do so anyway)",
  },
  {
    name: "insecure",
    group: SOURCE,
    describe: "Do not check the registry's TLS certificate, and speak http where it speaks no TLS",
  },
  {
    name: "concurrency",
    value: "N",
    group: RESOURCES,
    describe: "Connections for layers, and so layers pulled side by side [default: 8]",
  },
  {
    name: "no-ranges",
    group: RESOURCES,
    describe:
      "One connection for each layer; without this, connections that no layer uses fetch parts of a large one, where one is too slow",
  },
  {
    name: "cpus",
    value: "N",
    group: RESOURCES,
    describe: "CPUs for unpacking; rounded up, at most those of the machine [default: 2.0]",
  },
  {
    name: "memory",
    value: "MB",
    group: RESOURCES,
    describe:
      "Memory that the import may take, in MiB, at least 256; one that takes more is given up [default: 4096]",
  },
  {
    name: "builder_disk_mb",
    value: "MB",
    group: RESOURCES,
    describe:
      "What all layers together may unpack to while they are imported, in MiB [default: no limit]",
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
  {
    name: "limit",
    value: "NAME=VALUE",
    repeatable: true,
    group: SAFETY,
    describe: "Move a ceiling that guards against hostile images, see below; repeatable",
  },
  {
    name: "docker_compat",
    group: SAFETY,
    describe:
      "Accepted for scripts written for the platform; there is no Docker path, so it only warns",
  },
  { ...JSON_OPTION, group: OUTPUT, describe: "Print the registered record as JSON on stdout" },
  {
    name: "quiet",
    group: OUTPUT,
    describe: "Print nothing on stderr but warnings and errors",
  },
  {
    name: "verbose",
    group: OUTPUT,
    describe: "Print a line for every step of every layer instead of the live view",
  },
];
