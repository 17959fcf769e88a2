import { fileType, type FileType } from "../../../src/image-reader/file-type.ts";
import { createHash } from "node:crypto";
import { directoryEntries, isDotName } from "../../../src/ext4-reader/directory-entries.ts";
import { fileContents, symlinkTarget } from "../../../src/ext4-reader/file-contents.ts";
import { INO } from "../../../src/ext4-reader/format.ts";
import {
  deviceNumber,
  modificationTime,
  readInode,
  type Inode,
} from "../../../src/ext4-reader/inode.ts";
import { openVolume, type Volume } from "../../../src/ext4-reader/volume.ts";
import { readXattrs } from "../../../src/ext4-reader/xattrs.ts";

const KINDS: Readonly<Record<FileType, string>> = {
  file: "file",
  directory: "dir",
  symlink: "symlink",
  "character-device": "char",
  "block-device": "block",
  fifo: "fifo",
  socket: "socket",
};

/** What our reader finds in an image, as `rootRows` (with the root) has it of the mounted image. */
export async function readerRows(imagePath: string): Promise<readonly string[]> {
  const volume = await openVolume(imagePath);
  try {
    const found: (readonly [path: string, inode: Inode])[] = [];
    const walk = (path: string, inode: Inode): void => {
      found.push([path === "" ? "." : path, inode]);
      if (fileType(inode.mode) !== "directory") return;
      for (const { inode: number, name } of directoryEntries(volume, inode)) {
        if (isDotName(name)) continue;
        walk((path === "" ? "" : `${path}/`) + name.toString("latin1"), readInode(volume, number));
      }
    };
    walk("", readInode(volume, INO.root));
    const firstNames = new Map<number, string>();
    const rows: string[] = [];
    for (const [path, inode] of found.toSorted(([a], [b]) => (a < b ? -1 : 1))) {
      if (fileType(inode.mode) !== "directory" && !firstNames.has(inode.number)) {
        firstNames.set(inode.number, path);
      }
      rows.push(await rowOf(volume, inode, { path, first: firstNames.get(inode.number) }));
    }
    return rows;
  } finally {
    await volume.file.close();
  }
}

async function rowOf(
  volume: Volume,
  inode: Inode,
  { path, first }: { readonly path: string; readonly first: string | undefined },
): Promise<string> {
  const type = fileType(inode.mode);
  if (type === undefined) throw new Error(`${path} has no type`);
  const { seconds, nanoseconds } = modificationTime(inode);
  const xattrs = [...readXattrs(volume, inode)].map(
    ([name, value]) => `${name}=${value.toString("hex")}`,
  );
  return [
    path,
    KINDS[type],
    type === "symlink" ? "" : (inode.mode & 0o7777).toString(8),
    `${inode.uid}:${inode.gid}`,
    BigInt(seconds) * 1_000_000_000n + BigInt(nanoseconds),
    type === "directory" ? "" : `${inode.sizeBytes} ${inode.links} ${first}`,
    type.endsWith("-device") ? rdevOf(inode) : 0n,
    type === "symlink" ? symlinkTarget(volume, inode).toString("latin1") : "",
    type === "file" ? await sha256Of(volume, inode) : "",
    xattrs.toSorted().join(),
  ].join("\t");
}

/** `st_rdev` as glibc puts it together (`gnu_dev_makedev`). */
function rdevOf(inode: Inode): bigint {
  const device = deviceNumber(inode);
  const [major, minor] = [BigInt(device.major), BigInt(device.minor)];
  return (minor & 0xffn) | (major << 8n) | ((minor >> 8n) << 20n);
}

async function sha256Of(volume: Volume, inode: Inode): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of fileContents(volume, inode)) hash.update(chunk);
  return hash.digest("hex");
}
