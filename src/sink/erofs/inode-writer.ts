import {
  linkTargetOf,
  S_IFBLK,
  S_IFCHR,
  S_IFDIR,
  S_IFLNK,
  S_IFREG,
  typeOf,
} from "../../rootfs/rootfs-tree.ts";
import { BLOCK_BYTES } from "../block-placement.ts";
import { throwWhenCancelled } from "../cancellation.ts";
import { deviceNumber } from "../posix.ts";
import { ByteStream } from "./byte-stream.ts";
import { DirectoryListing } from "./directory-listing.ts";
import { putChunkMap, type FileLayout } from "./file-layout.ts";
import { FLAT_INLINE, INODE_BYTES, SLOT_BYTES } from "./format.ts";
import { layoutOfFile, type InodeLayout, type LayoutParts } from "./inode-layout.ts";
import { encodeInode } from "./inode.ts";
import type { ErofsMetadataInput } from "./metadata-input.ts";

/** What of an inode depends on its type. */
interface Contents {
  readonly sizeBytes: number;
  /** `i_u`. */
  readonly data: number;
  readonly links: number;
  /** What lies behind the inode and its attributes. */
  readonly inline?: Uint8Array;
  readonly map?: Extract<FileLayout, { kind: "chunks" }>;
}

/** @param firstBlock of the metadata: inodes first, then the whole blocks of directories and long links */
export function writeInodes(
  input: ErofsMetadataInput,
  parts: LayoutParts & { readonly layout: InodeLayout; readonly firstBlock: number },
): void {
  new InodeWriter(input, parts).run();
}

class InodeWriter {
  readonly #input: ErofsMetadataInput;
  readonly #parts: LayoutParts;
  readonly #layout: InodeLayout;
  readonly #listing: DirectoryListing;
  readonly #inodes: ByteStream;
  readonly #contents: ByteStream;
  readonly #bytes = new Uint8Array(INODE_BYTES);

  constructor(
    input: ErofsMetadataInput,
    parts: LayoutParts & { readonly layout: InodeLayout; readonly firstBlock: number },
  ) {
    const { layout, firstBlock } = parts;
    this.#input = input;
    this.#parts = parts;
    this.#layout = layout;
    this.#listing = new DirectoryListing(input.tree, parts.numbers);
    this.#inodes = new ByteStream(input.file, firstBlock);
    this.#contents = new ByteStream(input.file, firstBlock + layout.inodeBlocks);
  }

  run(): void {
    for (let number = 1; number <= this.#parts.numbers.last; number++) {
      throwWhenCancelled(this.#input, number);
      this.#write(number);
    }
    this.#inodes.padToBlock();
    this.#inodes.finish();
    this.#contents.finish();
  }

  #write(number: number): void {
    const { tree } = this.#input;
    const { numbers, xattrs } = this.#parts;
    const name = numbers.names[number]!;
    const inode = tree.inodes[name]!;
    const area = xattrs.planOf(inode, name);
    const mode = tree.modes[inode]!;
    const contents = this.#contentsOf(number, inode);
    encodeInode(this.#bytes, {
      layout: this.#layout.layouts[number]!,
      xattrCount: area.count,
      mode: area.permissions === undefined ? mode : (mode & ~0o777) | area.permissions,
      sizeBytes: contents.sizeBytes,
      data: contents.data,
      number,
      uid: tree.uids[inode]!,
      gid: tree.gids[inode]!,
      seconds: tree.mtimeSeconds[inode]!,
      nanoseconds: tree.mtimeNanoseconds[inode]!,
      links: contents.links,
    });
    this.#inodes.skipTo(this.#layout.nids[number]! * SLOT_BYTES);
    this.#inodes.put(this.#bytes);
    this.#inodes.put(area.bytes);
    if (contents.inline !== undefined) this.#inodes.put(contents.inline);
    if (contents.map !== undefined) putChunkMap(this.#inodes, contents.map);
  }

  #contentsOf(number: number, inode: number): Contents {
    const { tree } = this.#input;
    const type = typeOf(tree, inode);
    if (type === S_IFDIR) return this.#writeDirectory(number);
    const links = tree.linkCounts[inode]!;
    if (type === S_IFREG) return { ...this.#fileContents(inode), links };
    if (type === S_IFLNK) {
      const target = linkTargetOf(tree, inode);
      const first = this.#contents.block;
      const inline = this.#putContents(number, target);
      return { sizeBytes: target.length, data: first, links, inline };
    }
    const isDevice = type === S_IFCHR || type === S_IFBLK;
    return { sizeBytes: 0, data: isDevice ? this.#deviceOf(inode) : 0, links };
  }

  #fileContents(inode: number): Omit<Contents, "links"> {
    const { tree } = this.#input;
    const sizeBytes = tree.sizes[inode]!;
    const layout = layoutOfFile(this.#input, inode, this.#parts.bodies);
    // The upper bits would announce longer entries of the map.
    return layout.kind === "plain"
      ? { sizeBytes, data: layout.firstBlock }
      : { sizeBytes, data: layout.chunkBits, map: layout };
  }

  #writeDirectory(number: number): Contents {
    const listing = this.#listing;
    listing.list(number);
    const first = this.#contents.block;
    let inline: Uint8Array = new Uint8Array(0);
    listing.blocks(this.#layout.nids, (bytes) => {
      inline = this.#putContents(number, bytes);
    });
    // Its name, its own `.`, and the `..` of each directory in it.
    const links = 2 + listing.subdirectories;
    return { sizeBytes: listing.sizeBytes, data: first, links, inline };
  }

  /** Writes a block of contents, the last one perhaps short. @returns what lies behind the inode instead */
  #putContents(number: number, bytes: Uint8Array): Uint8Array {
    const isRest = bytes.length < BLOCK_BYTES;
    if (isRest && this.#layout.layouts[number] === FLAT_INLINE) return bytes;
    this.#contents.put(bytes);
    this.#contents.padToBlock();
    return new Uint8Array(0);
  }

  #deviceOf(inode: number): number {
    const { linkOffsetsOrMajors, linkLengthsOrMinors } = this.#input.tree;
    const device = deviceNumber(linkOffsetsOrMajors[inode]!, linkLengthsOrMinors[inode]!);
    if (device === undefined)
      throw new Error("a layer's device numbers are checked when it is read");
    return device;
  }
}
