import { directoryEntries, isDotName } from "../ext4-reader/directory-entries.ts";
import { fileContents, symlinkTarget } from "../ext4-reader/file-contents.ts";
import { INO } from "../ext4-reader/format.ts";
import { deviceNumber, modificationTime, readInode, type Inode } from "../ext4-reader/inode.ts";
import { openVolume, type Volume } from "../ext4-reader/volume.ts";
import { fileType } from "../image-reader/file-type.ts";
import { damaged } from "../image-reader/image-errors.ts";
import type { FileFacts, FileName, RootFile, RootFiles } from "./root-files.ts";

/** Looks into an ext4 image without mounting it. @throws ImportError as `openVolume` */
export async function openExt4Files(imagePath: string): Promise<RootFiles<Inode>> {
  const volume = await openVolume(imagePath);
  try {
    return new Ext4Files(volume);
  } catch (error) {
    await volume.file.close();
    throw error;
  }
}

class Ext4Files implements RootFiles<Inode> {
  readonly root: RootFile<Inode>;
  readonly #volume: Volume;
  /** Attack: directories that lead in a circle, or to each other by many ways. */
  readonly #listed = new Set<number>();

  constructor(volume: Volume) {
    this.#volume = volume;
    this.root = this.#fileOf(INO.root);
    if (this.root.facts.type !== "directory") {
      throw damaged(volume.file.path, "its root is not a directory", { inode: INO.root });
    }
  }

  child(directory: RootFile<Inode>, name: Buffer): RootFile<Inode> | undefined {
    for (const entry of directoryEntries(this.#volume, directory.node)) {
      if (name.equals(entry.name)) return this.#fileOf(entry.inode);
    }
    return undefined;
  }

  *names({ node }: RootFile<Inode>): Generator<FileName, void, undefined> {
    if (this.#listed.has(node.number)) {
      throw damaged(
        this.#volume.file.path,
        `the directory of inode ${node.number} has two places`,
        {
          inode: node.number,
        },
      );
    }
    this.#listed.add(node.number);
    for (const { name, inode: id } of directoryEntries(this.#volume, node)) {
      if (!isDotName(name)) yield { name, id };
    }
  }

  named(_directory: RootFile<Inode>, { id }: FileName): RootFile<Inode> {
    return this.#fileOf(id);
  }

  target({ node }: RootFile<Inode>): Buffer {
    return symlinkTarget(this.#volume, node);
  }

  contents({ node }: RootFile<Inode>): AsyncIterable<Uint8Array> {
    return fileContents(this.#volume, node);
  }

  close(): Promise<void> {
    return this.#volume.file.close();
  }

  #fileOf(number: number): RootFile<Inode> {
    const node = readInode(this.#volume, number);
    return { node, facts: factsOf(node) };
  }
}

function factsOf(inode: Inode): FileFacts {
  const { mode, uid, gid, links, sizeBytes } = inode;
  const type = fileType(mode);
  // `readInode` lets nothing else pass.
  if (type === undefined) throw new TypeError(`inode ${inode.number} has no type`);
  const hasSize = type === "file" || type === "symlink";
  return {
    type,
    permissions: mode & 0o7777,
    uid,
    gid,
    sizeBytes: hasSize ? sizeBytes : 0,
    links,
    mtime: modificationTime(inode),
    ...(type.endsWith("-device") ? { device: deviceNumber(inode) } : {}),
  };
}
