import { setImmediate } from "node:timers/promises";
import { throwIfCancelled } from "../errors.ts";
import { openErofsImage } from "../erofs-reader/erofs-image.ts";
import { openExt4Image } from "../ext4-reader/ext4-image.ts";
import type { DiskImage, ImageInode } from "../image-reader/disk-image.ts";
import { fileType } from "../image-reader/file-type.ts";
import { damaged } from "../image-reader/image-errors.ts";
import { isImageXattr } from "../rootfs/image-xattr.ts";
import { NONE, pathOf, ROOT, S_IFDIR, S_IFMT, type Xattr } from "../rootfs/rootfs-tree.ts";
import { TreeBuilder, type InodeFacts } from "../rootfs/tree-builder.ts";
import { PIECE_BYTES, type ContentPiece, type TreeReader } from "../rootfs/tree-reader.ts";
import { omissionLines, Omissions } from "../sink/omissions.ts";

/** Names read between two pauses: some milliseconds. */
const STEP = 512;
const SLASH = 0x2f;

/**
 * Reads a root filesystem out of an ext4 image, without mounting it. The body of a file is the number of its inode.
 * @throws ImportError ERR_SNAPSHOT_DAMAGED, ERR_SNAPSHOT_UNSUPPORTED, ERR_STORE_IO, ERR_CANCELLED
 */
export async function openExt4TreeReader(
  imagePath: string,
  signal: AbortSignal,
): Promise<TreeReader> {
  return readImage(await openExt4Image(imagePath), signal);
}

/** The same of an EROFS image. @throws ImportError as `openExt4TreeReader` */
export async function openErofsTreeReader(
  imagePath: string,
  signal: AbortSignal,
): Promise<TreeReader> {
  return readImage(await openErofsImage(imagePath), signal);
}

async function readImage<I extends ImageInode>(
  image: DiskImage<I>,
  signal: AbortSignal,
): Promise<TreeReader> {
  try {
    const scan = new ImageScan(image);
    for (const _ of scan.steps()) {
      throwIfCancelled(signal);
      await setImmediate();
    }
    return readerOf(image, scan);
  } catch (error) {
    await image.close();
    throw error;
  }
}

function readerOf<I extends ImageInode>(image: DiskImage<I>, scan: ImageScan<I>): TreeReader {
  const tree = scan.builder.finish();
  const buffer = Buffer.allocUnsafe(PIECE_BYTES);
  let isOpen = true;
  return {
    tree,
    omissions: omissionLines([scan.omissions]),
    contents: (inode) => {
      const body = tree.bodies[inode] ?? -1;
      return body < 0 ? [] : filePieces(image, image.inode(body), buffer);
    },
    close: async () => {
      if (isOpen) await image.close();
      isOpen = false;
    },
  };
}

function* filePieces<I extends ImageInode>(
  image: DiskImage<I>,
  file: I,
  buffer: Buffer,
): Generator<ContentPiece, void, undefined> {
  let position = 0;
  for (const { offset, bytes, at } of image.runs(file)) {
    if (at === undefined) continue;
    if (offset > position) yield offset - position;
    for (let done = 0; done < bytes; done += PIECE_BYTES) {
      const piece = buffer.subarray(0, Math.min(PIECE_BYTES, bytes - done));
      image.readSync(piece, at + done);
      yield piece;
    }
    position = offset + bytes;
  }
  if (file.sizeBytes > position) yield file.sizeBytes - position;
}

interface Entry {
  readonly name: Buffer;
  readonly inode: number;
}

class ImageScan<I extends ImageInode> {
  readonly builder = new TreeBuilder();
  readonly omissions = new Omissions();
  readonly #image: DiskImage<I>;
  /** Inodes of the tree by the numbers of the image: those of several names, and directories. */
  readonly #known = new Map<number, number>();

  constructor(image: DiskImage<I>) {
    this.#image = image;
  }

  *steps(): Generator<void, void, undefined> {
    const root = this.#image.inode(this.#image.rootNumber);
    this.builder.setRoot(this.#factsOf(root));
    this.#known.set(root.number, this.builder.inodeOf(ROOT));
    const pending: { readonly name: number; readonly directory: I }[] = [
      { name: ROOT, directory: root },
    ];
    let read = 0;
    for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
      for (const entry of this.#image.entries(next.directory)) {
        const found = this.#addEntry(next.name, entry);
        if (found !== undefined) pending.push(found);
        if (++read % STEP === 0) yield;
      }
    }
  }

  /** @returns a directory that is to be read */
  #addEntry(
    parent: number,
    entry: Entry,
  ): { readonly name: number; readonly directory: I } | undefined {
    const { builder } = this;
    this.#requirePlainName(parent, entry);
    const known = this.#known.get(entry.inode);
    if (known !== undefined) {
      this.#requireNoDirectory(known, entry);
      builder.addName(parent, entry.name, known);
      return undefined;
    }
    const inode = this.#image.inode(entry.inode);
    const type = fileType(inode.mode);
    if (type === "socket") {
      const parts = parent === ROOT ? [] : [pathOf(builder.names, parent), Buffer.from("/")];
      this.omissions.add(Buffer.concat([...parts, entry.name]), "socket left out");
      return undefined;
    }
    if (parent === ROOT && this.#image.isOwn(entry.name, inode)) return undefined;
    const added = builder.addInode(this.#factsOf(inode));
    const name = builder.addName(parent, entry.name, added);
    if (type === "directory" || inode.links > 1) this.#known.set(inode.number, added);
    return type === "directory" ? { name, directory: inode } : undefined;
  }

  /**
   * Attack: whoever has had the disk can write any name into it. A slash would lead an export out of its directory; so
   * would a name that is a link first and a directory then.
   */
  #requirePlainName(parent: number, { name, inode }: Entry): void {
    const isPlain = !name.includes(SLASH) && !name.includes(0);
    if (isPlain && this.builder.findName(parent, name) === NONE) return;
    throw damaged(
      this.#image.path,
      isPlain
        ? `a directory has a name of inode ${inode} twice`
        : `a name of inode ${inode} cannot be one`,
      { inode },
    );
  }

  /** Attack: a directory that is in itself has no end. */
  #requireNoDirectory(known: number, { inode }: Entry): void {
    if ((this.builder.modeOf(known) & S_IFMT) !== S_IFDIR) return;
    throw damaged(this.#image.path, `the directory of inode ${inode} has two names`, { inode });
  }

  #factsOf(inode: I): InodeFacts {
    const { mode, uid, gid, sizeBytes } = inode;
    const { seconds: mtimeSeconds, nanoseconds: mtimeNanoseconds } = this.#image.mtime(inode);
    const xattrs = this.#xattrsOf(inode);
    const facts = { mode, uid, gid, mtimeSeconds, mtimeNanoseconds, xattrs };
    const type = fileType(mode);
    if (type === "file" && sizeBytes > 0) {
      return { ...facts, size: sizeBytes, body: inode.number };
    }
    if (type === "symlink") return { ...facts, target: this.#image.target(inode) };
    if (type !== "character-device" && type !== "block-device") return facts;
    const { major, minor } = this.#image.device(inode);
    return { ...facts, device: [major, minor] };
  }

  #xattrsOf(inode: I): readonly Xattr[] {
    return [...this.#image.xattrs(inode)]
      .filter(([name]) => isImageXattr(name))
      .map(([name, value]) => ({ name: Buffer.from(name, "latin1"), value }));
  }
}
