import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { join } from "node:path";
import { noise } from "../layered-image.ts";
import { directoryEntry, fileEntry, makeLayer, symlinkEntry } from "../make-layer.ts";
import { writeOciLayout } from "../oci-layout.ts";

const KIB = 1024;

/**
 * An image of three layers and some 3 MiB: files of all sizes, some that compress and most that do not, deletions, hard links,
 * attributes that take a block, long links, directories.
 */
export async function writeDiskImage(path: string): Promise<void> {
  const few = Array.from({ length: 40 }, (_, index) => index);
  const base = await makeLayer([
    directoryEntry("etc"),
    ...few.map((index) => directoryEntry(`etc/d${index}`)),
    ...few.map((index) => fileEntry(`etc/d${index}/f`, noise(100 * index, `f${index}`))),
    fileEntry("large", noise(1200 * KIB, "large")),
    fileEntry("gone", noise(300 * KIB, "gone")),
    {
      ...fileEntry("attributes", "x"),
      pax: { "SCHILY.xattr.user.large": "v".repeat(900), "SCHILY.xattr.user.small": "v" },
    },
  ]);
  const middle = await makeLayer(
    [
      fileEntry(".wh.gone", ""),
      fileEntry("text", Buffer.alloc(600 * KIB, "All work and no play makes Jack a dull boy.\n")),
      { name: "hard", type: "link", linkname: "large" },
      ...few.map((index) => symlinkEntry(`etc/l${index}`, `${"../".repeat(30)}${index}`)),
    ],
    "zstd",
  );
  const top = await makeLayer([
    fileEntry("etc/d3/f", noise(500 * KIB, "replaced")),
    ...few.map((index) => fileEntry(`small${index}`, noise(index * 300, `s${index}`))),
    { name: "null", type: "character-device", devmajor: 1, devminor: 3, mode: 0o666 },
  ]);
  writeOciLayout(path, "1", { layers: [base, middle, top] });
}

/** The arguments of an import of it. */
export function importArguments(layout: string, format: string): readonly string[] {
  const words = `sbx image import oci:${layout}:1 --registered-name app`;
  return `${words} --format ${format} --disk_mb 16 --json --quiet`.split(" ");
}

export async function sha256OfFile(path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(path)) hash.update(chunk);
  return hash.digest("hex");
}

/** Of the root filesystem of a store, whatever its snapshot is called. */
export function rootfsPath(home: string, snapshotId: string, format: string): string {
  return join(home, "snapshots", snapshotId, format === "dir" ? "rootfs" : `rootfs.${format}`);
}
