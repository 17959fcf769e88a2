import { setImmediate } from "node:timers/promises";
import { throwIfCancelled } from "../errors.ts";
import { blockRuns } from "../ext4-reader/block-runs.ts";
import { directoryEntries, isDotName } from "../ext4-reader/directory-entries.ts";
import { symlinkTarget } from "../ext4-reader/file-contents.ts";
import { INO } from "../ext4-reader/format.ts";
import { deviceNumber, modificationTime, readInode, type Inode } from "../ext4-reader/inode.ts";
import { openVolume, type Volume } from "../ext4-reader/volume.ts";
import { readXattrs } from "../ext4-reader/xattrs.ts";
import { fileType } from "../image-reader/file-type.ts";
import { damaged } from "../image-reader/image-errors.ts";
import { isImageXattr } from "../rootfs/image-xattr.ts";
import { pathOf, ROOT, S_IFDIR, S_IFMT, type Xattr } from "../rootfs/rootfs-tree.ts";
import { TreeBuilder, type InodeFacts } from "../rootfs/tree-builder.ts";
import { PIECE_BYTES, type ContentPiece, type TreeReader } from "../rootfs/tree-reader.ts";
import { omissionLines, Omissions } from "../sink/omissions.ts";

/** Names read between two pauses: some milliseconds. */
const STEP = 512;
const LOST_AND_FOUND = Buffer.from("lost+found");
/** The first inode that is not reserved: where every ext4 has its `lost+found`. */
const LOST_AND_FOUND_INODE = 11;

/**
 * Reads a root filesystem out of an ext4 image, without mounting it. The body of a file is the number of its inode.
 * @throws ImportError ERR_SNAPSHOT_DAMAGED, ERR_SNAPSHOT_UNSUPPORTED, ERR_STORE_IO, ERR_CANCELLED
 */
export async function openExt4TreeReader(
  imagePath: string,
  signal: AbortSignal,
): Promise<TreeReader> {
  const volume = await openVolume(imagePath);
  try {
    const scan = new VolumeScan(volume);
    for (const _ of scan.steps()) {
      throwIfCancelled(signal);
      await setImmediate();
    }
    return readerOf(volume, scan);
  } catch (error) {
    await volume.file.close();
    throw error;
  }
}

function readerOf(volume: Volume, scan: VolumeScan): TreeReader {
  const tree = scan.builder.finish();
  const buffer = Buffer.allocUnsafe(PIECE_BYTES);
  let isOpen = true;
  return {
    tree,
    omissions: omissionLines([scan.omissions]),
    contents: (inode) => {
      const body = tree.bodies[inode] ?? -1;
      return body < 0 ? [] : filePieces(volume, readInode(volume, body), buffer);
    },
    close: async () => {
      if (isOpen) await volume.file.close();
      isOpen = false;
    },
  };
}

function* filePieces(
  volume: Volume,
  inode: Inode,
  buffer: Buffer,
): Generator<ContentPiece, void, undefined> {
  const { blockSize } = volume.superblock;
  const { sizeBytes } = inode;
  let position = 0;
  for (const { logicalBlock, physicalBlock, blocks, written } of blockRuns(volume, inode)) {
    // Blocks that were set aside and never written read as zeros, whatever stands in them.
    if (!written) continue;
    const start = Math.min(logicalBlock * blockSize, sizeBytes);
    const end = Math.min((logicalBlock + blocks) * blockSize, sizeBytes);
    if (start > position) yield start - position;
    for (position = start; position < end;) {
      const piece = buffer.subarray(0, Math.min(PIECE_BYTES, end - position));
      volume.file.readSync(piece, physicalBlock * blockSize + position - start);
      yield piece;
      position += piece.length;
    }
  }
  if (sizeBytes > position) yield sizeBytes - position;
}

interface Entry {
  readonly name: Buffer;
  readonly inode: number;
}

class VolumeScan {
  readonly builder = new TreeBuilder();
  readonly omissions = new Omissions();
  readonly #volume: Volume;
  /** Inodes of the tree by the numbers of the image: those of several names, and directories. */
  readonly #known = new Map<number, number>();

  constructor(volume: Volume) {
    this.#volume = volume;
  }

  *steps(): Generator<void, void, undefined> {
    const root = readInode(this.#volume, INO.root);
    this.builder.setRoot(this.#factsOf(root));
    this.#known.set(root.number, this.builder.inodeOf(ROOT));
    const pending: { readonly name: number; readonly directory: Inode }[] = [
      { name: ROOT, directory: root },
    ];
    let read = 0;
    for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
      for (const entry of directoryEntries(this.#volume, next.directory)) {
        if (isDotName(entry.name)) continue;
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
  ): { readonly name: number; readonly directory: Inode } | undefined {
    const { builder } = this;
    const known = this.#known.get(entry.inode);
    if (known !== undefined) {
      this.#requireNoDirectory(known, entry);
      builder.addName(parent, entry.name, known);
      return undefined;
    }
    const inode = readInode(this.#volume, entry.inode);
    const type = fileType(inode.mode);
    if (type === "socket") {
      const parts = parent === ROOT ? [] : [pathOf(builder.names, parent), Buffer.from("/")];
      this.omissions.add(Buffer.concat([...parts, entry.name]), "socket left out");
      return undefined;
    }
    if (parent === ROOT && this.#isLostAndFound(entry.name, inode)) return undefined;
    const added = builder.addInode(this.#factsOf(inode));
    const name = builder.addName(parent, entry.name, added);
    if (type === "directory" || inode.links > 1) this.#known.set(inode.number, added);
    return type === "directory" ? { name, directory: inode } : undefined;
  }

  /** Attack: a directory that is in itself has no end. */
  #requireNoDirectory(known: number, entry: Entry): void {
    if ((this.builder.modeOf(known) & S_IFMT) !== S_IFDIR) return;
    const { path } = this.#volume.file;
    throw damaged(path, `the directory of inode ${entry.inode} has two names`, {
      inode: entry.inode,
    });
  }

  /** What a file system has of its own is not the image's: an empty directory, made by the writer or by mke2fs. */
  #isLostAndFound(name: Buffer, inode: Inode): boolean {
    if (!name.equals(LOST_AND_FOUND) || inode.number !== LOST_AND_FOUND_INODE) return false;
    if (inode.mode !== (S_IFDIR | 0o700) || inode.uid !== 0 || inode.gid !== 0) return false;
    for (const entry of directoryEntries(this.#volume, inode)) {
      if (!isDotName(entry.name)) return false;
    }
    return true;
  }

  #factsOf(inode: Inode): InodeFacts {
    const { mode, uid, gid, sizeBytes } = inode;
    const { seconds: mtimeSeconds, nanoseconds: mtimeNanoseconds } = modificationTime(inode);
    const xattrs = this.#xattrsOf(inode);
    const facts = { mode, uid, gid, mtimeSeconds, mtimeNanoseconds, xattrs };
    const type = fileType(mode);
    if (type === "file" && sizeBytes > 0) {
      return { ...facts, size: sizeBytes, body: inode.number };
    }
    if (type === "symlink") return { ...facts, target: symlinkTarget(this.#volume, inode) };
    if (type !== "character-device" && type !== "block-device") return facts;
    const { major, minor } = deviceNumber(inode);
    return { ...facts, device: [major, minor] };
  }

  #xattrsOf(inode: Inode): readonly Xattr[] {
    return [...readXattrs(this.#volume, inode)]
      .filter(([name]) => isImageXattr(name))
      .map(([name, value]) => ({ name: Buffer.from(name, "latin1"), value }));
  }
}
