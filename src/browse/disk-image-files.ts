import { imageFileContents, type DiskImage, type ImageInode } from "../image-reader/disk-image.ts";
import { fileType } from "../image-reader/file-type.ts";
import { damaged } from "../image-reader/image-errors.ts";
import type { FileFacts, FileName, RootFile, RootFiles } from "./root-files.ts";

/**
 * Looks into a disk image without mounting it. Takes the image over: it is closed when this fails.
 * @throws ImportError ERR_SNAPSHOT_DAMAGED, ERR_STORE_IO
 */
export async function openDiskImageFiles<I extends ImageInode>(
  image: DiskImage<I>,
): Promise<RootFiles<I>> {
  try {
    return new DiskImageFiles(image);
  } catch (error) {
    await image.close();
    throw error;
  }
}

class DiskImageFiles<I extends ImageInode> implements RootFiles<I> {
  readonly root: RootFile<I>;
  readonly #image: DiskImage<I>;
  /** Attack: directories that lead in a circle, or to each other by many ways. */
  readonly #listed = new Set<number>();

  constructor(image: DiskImage<I>) {
    this.#image = image;
    this.root = this.#fileOf(image.rootNumber);
    if (this.root.facts.type !== "directory") {
      throw damaged(image.path, "its root is not a directory", { inode: image.rootNumber });
    }
  }

  child(directory: RootFile<I>, name: Buffer): RootFile<I> | undefined {
    for (const entry of this.#image.entries(directory.node)) {
      if (name.equals(entry.name)) return this.#fileOf(entry.inode);
    }
    return undefined;
  }

  *names({ node }: RootFile<I>): Generator<FileName, void, undefined> {
    const { number } = node;
    if (this.#listed.has(number)) {
      throw damaged(this.#image.path, `the directory of inode ${number} has two places`, {
        inode: number,
      });
    }
    this.#listed.add(number);
    for (const { name, inode: id } of this.#image.entries(node)) yield { name, id };
  }

  named(_directory: RootFile<I>, { id }: FileName): RootFile<I> {
    return this.#fileOf(id);
  }

  target({ node }: RootFile<I>): Buffer {
    return this.#image.target(node);
  }

  contents({ node }: RootFile<I>): AsyncIterable<Uint8Array> {
    return imageFileContents(this.#image, node);
  }

  close(): Promise<void> {
    return this.#image.close();
  }

  #fileOf(number: number): RootFile<I> {
    const node = this.#image.inode(number);
    return { node, facts: this.#factsOf(node) };
  }

  #factsOf(inode: I): FileFacts {
    const { mode, uid, gid, links, sizeBytes } = inode;
    const type = fileType(mode);
    // Readers let nothing else pass.
    if (type === undefined) throw new TypeError(`inode ${inode.number} has no type`);
    const hasSize = type === "file" || type === "symlink";
    return {
      type,
      permissions: mode & 0o7777,
      uid,
      gid,
      sizeBytes: hasSize ? sizeBytes : 0,
      links,
      mtime: this.#image.mtime(inode),
      ...(type.endsWith("-device") ? { device: this.#image.device(inode) } : {}),
    };
  }
}
