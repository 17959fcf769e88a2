import { closeSync, fstatSync, openSync, readFileSync, writeSync } from "node:fs";
import { crc32 } from "node:zlib";
import type { RootfsTree } from "../../src/rootfs/rootfs-tree.ts";
import { BLOCK_BYTES } from "../../src/sink/block-placement.ts";
import type { Extent } from "../../src/sink/body-map.ts";
import type { ErofsMetadataResult } from "../../src/sink/erofs/metadata-input.ts";
import { writeErofsMetadata } from "../../src/sink/erofs/write-metadata.ts";
import { SealedImageFile } from "../../src/sink/sealed-image-file.ts";
import { RangeColumns, type ChecksummedRanges } from "../../src/sink/written-ranges.ts";
import { buildTree, type TreeEntry } from "./tree-builder.ts";

/** Blocks that nobody keeps are filled with it. */
export const SECRET = "a secret of another layer ";
const SUPERBLOCK = { position: 1024, bytes: 128 };
const UUID = Buffer.from("6a1c1d7e000080008000000000000003", "hex");
export const EPOCH_SECONDS = 1_700_000_000;

export interface ErofsImageOptions {
  /** Blocks full of SECRET behind each piece of a body. Default 0. */
  readonly gapBlocks?: number;
  /** Bodies are placed in pieces of so many blocks. Default: in one. */
  readonly pieceBlocks?: number;
  /** Every n-th block of each body is a hole, whose content the body must not have. Default: none is. */
  readonly holeEvery?: number;
  /** Changes what no layer can say. */
  readonly changeTree?: (tree: RootfsTree) => void;
}

export interface WrittenErofs {
  readonly result: ErofsMetadataResult;
  readonly tree: RootfsTree;
  /** By body. */
  readonly contents: readonly Uint8Array[];
  readonly checksums: ChecksummedRanges;
  readonly image: Buffer;
}

/** Makes an image file of a list of entries, with the bodies one after the other; the tree comes back too. */
export function writeErofsImage(
  imagePath: string,
  entries: readonly TreeEntry[],
  options: ErofsImageOptions = {},
): WrittenErofs {
  const fd = openSync(imagePath, "w+");
  try {
    const placer = new Placer(fd, options);
    const contents: Uint8Array[] = [];
    const bodies: (readonly Extent[])[] = [];
    const tree = buildTree(entries, (content) => {
      bodies.push(placer.place(content));
      return contents.push(content) - 1;
    });
    options.changeTree?.(tree);
    const file = new SealedImageFile({
      fd,
      imagePath,
      bodies: placer.ranges.sorted(),
      canPunch: false,
      superblock: SUPERBLOCK,
    });
    const result = writeErofsMetadata({
      file,
      tree,
      bodies: { extentsOf: (body) => bodies[body] ?? [] },
      firstFreeBlock: placer.next,
      identity: { uuid: UUID, epochSeconds: EPOCH_SECONDS },
      isCancelled: () => false,
    });
    const checksums = file.checksums();
    writeSync(fd, file.superblock(), 0, SUPERBLOCK.bytes, SUPERBLOCK.position);
    if (fstatSync(fd).size !== result.blocks * BLOCK_BYTES) throw new Error("another size");
    return { result, tree, contents, checksums, image: readFileSync(imagePath) };
  } finally {
    closeSync(fd);
  }
}

class Placer {
  next = 1;
  readonly ranges: RangeColumns = new RangeColumns();
  readonly #fd: number;
  readonly #options: ErofsImageOptions;

  constructor(fd: number, options: ErofsImageOptions) {
    this.#fd = fd;
    this.#options = options;
  }

  place(content: Uint8Array): readonly Extent[] {
    const { gapBlocks = 0, pieceBlocks = Infinity, holeEvery = Infinity } = this.#options;
    const extents: Extent[] = [];
    const blocks = Math.ceil(content.length / BLOCK_BYTES);
    for (let at = 0; at < blocks;) {
      const end = Math.min(
        at + pieceBlocks,
        blocks,
        (Math.floor(at / holeEvery) + 1) * holeEvery - 1,
      );
      if (end > at) {
        const bytes = content.subarray(at * BLOCK_BYTES, end * BLOCK_BYTES);
        extents.push({ logicalBlock: at, physicalBlock: this.next, blocks: end - at });
        this.#write(bytes, end - at);
        this.#write(Buffer.alloc(gapBlocks * BLOCK_BYTES, SECRET), gapBlocks);
      }
      at = end > at ? end : at + 1;
    }
    return extents;
  }

  #write(bytes: Uint8Array, blocks: number): void {
    for (let at = 0; at < blocks; at += 256) {
      const count = Math.min(256, blocks - at);
      const part = Buffer.alloc(count * BLOCK_BYTES);
      part.set(bytes.subarray(at * BLOCK_BYTES, (at + count) * BLOCK_BYTES));
      writeSync(this.#fd, part, 0, part.length, this.next * BLOCK_BYTES);
      this.ranges.add(this.next, count, crc32(part));
      this.next += count;
    }
  }
}
