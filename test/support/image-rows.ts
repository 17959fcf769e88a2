import { createHash } from "node:crypto";
import {
  imageFileContents,
  type DiskImage,
  type ImageInode,
} from "../../src/image-reader/disk-image.ts";
import { fileType, type FileType } from "../../src/image-reader/file-type.ts";

const KINDS: Readonly<Record<FileType, string>> = {
  file: "file",
  directory: "dir",
  symlink: "symlink",
  "character-device": "char",
  "block-device": "block",
  fifo: "fifo",
  socket: "socket",
};

/** What our reader finds in an image, as `rootRows` (with the root) has it of the mounted image. Closes the image. */
export async function imageRows<I extends ImageInode>(
  image: DiskImage<I>,
): Promise<readonly string[]> {
  try {
    const found: (readonly [path: string, inode: I])[] = [];
    const walk = (path: string, inode: I): void => {
      found.push([path === "" ? "." : path, inode]);
      if (fileType(inode.mode) !== "directory") return;
      for (const { inode: number, name } of image.entries(inode)) {
        walk((path === "" ? "" : `${path}/`) + name.toString("latin1"), image.inode(number));
      }
    };
    walk("", image.inode(image.rootNumber));
    const firstNames = new Map<number, string>();
    const rows: string[] = [];
    for (const [path, inode] of found.toSorted(([a], [b]) => (a < b ? -1 : 1))) {
      if (fileType(inode.mode) !== "directory" && !firstNames.has(inode.number)) {
        firstNames.set(inode.number, path);
      }
      rows.push(await rowOf(image, inode, { path, first: firstNames.get(inode.number) }));
    }
    return rows;
  } finally {
    await image.close();
  }
}

async function rowOf<I extends ImageInode>(
  image: DiskImage<I>,
  inode: I,
  { path, first }: { readonly path: string; readonly first: string | undefined },
): Promise<string> {
  const type = fileType(inode.mode);
  if (type === undefined) throw new Error(`${path} has no type`);
  const { seconds, nanoseconds } = image.mtime(inode);
  const xattrs = [...image.xattrs(inode)].map(
    ([name, value]) => `${name}=${value.toString("hex")}`,
  );
  return [
    path,
    KINDS[type],
    type === "symlink" ? "" : (inode.mode & 0o7777).toString(8),
    `${inode.uid}:${inode.gid}`,
    BigInt(seconds) * 1_000_000_000n + BigInt(nanoseconds),
    type === "directory" ? "" : `${inode.sizeBytes} ${inode.links} ${first}`,
    type.endsWith("-device") ? rdevOf(image.device(inode)) : 0n,
    type === "symlink" ? image.target(inode).toString("latin1") : "",
    type === "file" ? await sha256Of(image, inode) : "",
    xattrs.toSorted().join(),
  ].join("\t");
}

/** `st_rdev` as glibc puts it together (`gnu_dev_makedev`). */
function rdevOf(device: { readonly major: number; readonly minor: number }): bigint {
  const [major, minor] = [BigInt(device.major), BigInt(device.minor)];
  return (minor & 0xffn) | (major << 8n) | ((minor >> 8n) << 20n);
}

async function sha256Of<I extends ImageInode>(image: DiskImage<I>, file: I): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of imageFileContents(image, file)) hash.update(chunk);
  return hash.digest("hex");
}
