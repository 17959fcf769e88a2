import { createHash } from "node:crypto";
import {
  imageFileContents,
  type DiskImage,
  type ImageInode,
} from "../../src/image-reader/disk-image.ts";
import { fileType, type FileType } from "../../src/image-reader/file-type.ts";
import type { ObjectKind, SeenObject } from "./case-kit/root-walk.ts";
import { rowsOf } from "./root-rows.ts";

const KINDS: Readonly<Record<FileType, ObjectKind>> = {
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
  return rowsOf(await seenInImage(image), { withRoot: true });
}

/** What our reader finds in an image, as `walkRoot` has it of the mounted image. Closes the image. */
export async function seenInImage<I extends ImageInode>(
  image: DiskImage<I>,
): Promise<ReadonlyMap<string, SeenObject>> {
  const seen = new Map<string, SeenObject>();
  const walk = async (path: string, inode: I): Promise<void> => {
    const object = await objectOf(image, inode);
    seen.set(path === "" ? "." : path, object);
    if (object.kind !== "dir") return;
    for (const { inode: number, name } of image.entries(inode)) {
      const child = (path === "" ? "" : `${path}/`) + name.toString("latin1");
      await walk(child, image.inode(number));
    }
  };
  try {
    await walk("", image.inode(image.rootNumber));
    return seen;
  } finally {
    await image.close();
  }
}

async function objectOf<I extends ImageInode>(image: DiskImage<I>, inode: I): Promise<SeenObject> {
  const type = fileType(inode.mode);
  if (type === undefined) throw new Error(`inode ${inode.number} has no type`);
  const { seconds, nanoseconds } = image.mtime(inode);
  return {
    kind: KINDS[type],
    stat: {
      dev: 0n,
      ino: BigInt(inode.number),
      mode: BigInt(inode.mode),
      uid: BigInt(inode.uid),
      gid: BigInt(inode.gid),
      mtimeNs: BigInt(seconds) * 1_000_000_000n + BigInt(nanoseconds),
      size: BigInt(inode.sizeBytes),
      nlink: BigInt(inode.links),
      rdev: type.endsWith("-device") ? rdevOf(image.device(inode)) : 0n,
    },
    target: type === "symlink" ? image.target(inode) : Buffer.alloc(0),
    sha256: type === "file" ? await sha256Of(image, inode) : "",
    xattrs: image.xattrs(inode),
  };
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
