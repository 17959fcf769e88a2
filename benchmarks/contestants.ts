import { spawnSync } from "node:child_process";
import { resolve } from "node:path";
import type { Runnable } from "./measure/measure-contestant.ts";

/** Someone who turns a reference into a root filesystem: what it runs in an empty work directory. */
export interface Contestant extends Runnable {
  readonly name: string;
  /** What the others are compared with. */
  readonly isOurs?: boolean;
  /** What it leaves: tools are compared within a kind, and across kinds only as a remark. */
  readonly result: "directory" | "disk image" | "EROFS image" | "layer store";
  /** Whether the bytes are on the disk when it says it is done. */
  readonly syncs: boolean;
}

/** Needs a build: what is measured is what is shipped. */
export const COMMAND: string = `${process.execPath} ${resolve(import.meta.dirname, "../bin/tl.js")}`;

/** @param reference without a scheme; $W is the work directory of the run */
export function contestants(reference: string): readonly Contestant[] {
  const copy = `skopeo copy -q --src-tls-verify=false docker://${reference} oci:$W/oci:i`;
  const command = `${COMMAND} sbx image import ${reference} --quiet`;
  return [
    ours(command, "disk image", true),
    ours(command, "disk image", false),
    ours(command, "directory", true),
    ours(command, "directory", false),
    ours(command, "EROFS image", false),
    {
      name: "skopeo + umoci",
      result: "directory",
      syncs: false,
      script: `${copy} && umoci raw unpack --image $W/oci:i $W/rootfs`,
    },
    {
      name: "skopeo + umoci + mkfs.ext4 -d",
      result: "disk image",
      syncs: false,
      script: `${copy} && umoci raw unpack --image $W/oci:i $W/rootfs && truncate -s 10G $W/x.img && mkfs.ext4 -q -F -d $W/rootfs $W/x.img`,
    },
    {
      name: "skopeo + umoci + mkfs.erofs",
      result: "EROFS image",
      syncs: false,
      script: `${copy} && umoci raw unpack --image $W/oci:i $W/rootfs && mkfs.erofs --quiet $W/x.img $W/rootfs`,
    },
    {
      name: "skopeo + umoci, loop-mounted ext4",
      result: "disk image",
      syncs: false,
      script: `${copy} && truncate -s 10G $W/x.img && mkfs.ext4 -q -F $W/x.img && mkdir $W/mnt && mount -o loop $W/x.img $W/mnt && trap 'umount $W/mnt' EXIT && trap 'exit 130' INT TERM && umoci raw unpack --image $W/oci:i $W/mnt/rootfs`,
    },
    buildah(reference),
    containerd(reference),
  ];
}

const FORMATS = { directory: "dir", "disk image": "ext4", "EROFS image": "erofs" } as const;

function ours(command: string, result: keyof typeof FORMATS, syncs: boolean): Contestant {
  const options = `--format ${FORMATS[result]}${syncs ? "" : " --no-fsync"}`;
  const script = `ROOTLIFT_HOME=$W/home ${command} ${options}`;
  return { name: `rootlift ${options}`, isOurs: true, result, syncs, script };
}

function buildah(reference: string): Contestant {
  const store = `printf '[storage]\\ndriver = "overlay"\\ngraphroot = "%s/st"\\nrunroot = "%s/rn"\\n' $W $W > $W/storage.conf`;
  return {
    name: "buildah pull",
    result: "layer store",
    syncs: false,
    script: `${store} && CONTAINERS_STORAGE_CONF=$W/storage.conf TMPDIR=$W buildah pull -q --tls-verify=false docker://${reference}`,
  };
}

/** The daemon does the work: what it uses between the first and the last moment of the pull counts. */
function containerd(reference: string): Contestant {
  const config = [
    "version = 2",
    'root = "$W/c/root"',
    'state = "$W/c/state"',
    'disabled_plugins = ["io.containerd.grpc.v1.cri"]',
    "[grpc]",
    '  address = "$W/c/s"',
    "[ttrpc]",
    '  address = "$W/c/t"',
  ].join("\n");
  return {
    name: "containerd ctr pull",
    result: "layer store",
    syncs: false,
    daemon: {
      words: [
        "sh",
        "-c",
        `mkdir -p $W/c && cat > $W/c.toml <<E\n${config}\nE\nexec containerd -c $W/c.toml >$W/c.log 2>&1`,
      ],
      readyFile: "c/s",
    },
    script: `ctr -a $W/c/s images pull --plain-http ${reference}`,
  };
}

/** The programs of a contestant that are not on this machine. */
export function missingPrograms({ script }: Contestant): readonly string[] {
  return ["skopeo", "umoci", "buildah", "ctr"].filter(
    (program) =>
      new RegExp(`(^|[ &])${program} `).test(script) && spawnSync("which", [program]).status !== 0,
  );
}
