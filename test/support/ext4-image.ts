import { closeSync, ftruncateSync, openSync, writeSync } from "node:fs";
import type { RootfsTree } from "../../src/rootfs/rootfs-tree.ts";
import type { Extent } from "../../src/sink/body-map.ts";
import { BLOCK_BYTES } from "../../src/sink/ext4/format.ts";
import { ext4Geometry, usableRanges } from "../../src/sink/ext4/geometry.ts";
import type {
  Ext4Identity,
  Ext4MetadataInput,
  Ext4MetadataResult,
} from "../../src/sink/ext4/metadata-input.ts";
import { writeExt4Metadata } from "../../src/sink/ext4/write-metadata.ts";
import { buildTree, type TreeEntry } from "./tree-builder.ts";

const MIB = 2 ** 20;

/** A body with holes: stands for a `content` of the tree. Segments begin on blocks, ascending. */
export interface SparseBody {
  readonly sizeBytes: number;
  readonly segments: readonly { readonly block: number; readonly content: Uint8Array }[];
}

export interface ImageOptions {
  /** Default 16. */
  readonly diskMib?: number;
  readonly identity?: Partial<Ext4Identity>;
  /** By the content that they stand for. */
  readonly sparse?: ReadonlyMap<Uint8Array, SparseBody>;
  /** Blocks left free behind each body, and filled with "secret". Default 0. */
  readonly gapBlocks?: number;
  /** Changes what the writer is given. */
  readonly changed?: (input: Ext4MetadataInput) => Ext4MetadataInput;
}

export const TEST_IDENTITY: Ext4Identity = {
  uuid: Buffer.from("6a1c1d7e000040008000000000000001", "hex"),
  hashSeed: Buffer.from("6a1c1d7e000040008000000000000002", "hex"),
  epochSeconds: 1_700_000_000,
  label: "rootlift",
};

export interface WrittenImage {
  readonly result: Ext4MetadataResult;
  readonly tree: RootfsTree;
  /** By body: what was placed, without holes. */
  readonly contents: readonly Uint8Array[];
}

/** Makes an image file of a list of entries, with the bodies one after the other; the tree comes back too. */
export function writeImage(
  imagePath: string,
  entries: readonly TreeEntry[],
  options: ImageOptions = {},
): WrittenImage {
  const fd = openSync(imagePath, "w+");
  try {
    return writeImageTo(fd, entries, options);
  } finally {
    closeSync(fd);
  }
}

function writeImageTo(
  fd: number,
  entries: readonly TreeEntry[],
  { diskMib = 16, identity, sparse, gapBlocks = 0, changed = (input) => input }: ImageOptions,
): WrittenImage {
  ftruncateSync(fd, diskMib * MIB);
  const geometry = ext4Geometry(diskMib * MIB);
  const placer = new Placer(fd, usableRanges(geometry), gapBlocks);
  const bodies: (readonly Extent[])[] = [];
  const sizes: number[] = [];
  const contents: Uint8Array[] = [];
  const tree = buildTree(entries, (content) => {
    const { sizeBytes, segments } = sparse?.get(content) ?? {
      sizeBytes: content.length,
      segments: [{ block: 0, content }],
    };
    sizes.push(sizeBytes);
    contents.push(content);
    return bodies.push(placer.place(segments)) - 1;
  });
  for (const [inode, body] of tree.bodies.entries()) {
    if (body !== -1) tree.sizes[inode] = sizes[body] ?? 0;
  }
  const result = writeExt4Metadata(
    changed({
      file: {
        write: (bytes, position) => void writeSync(fd, bytes, 0, bytes.length, position),
        release: (firstBlock, blocks) => {
          for (let block = firstBlock; block < firstBlock + blocks; block++) {
            writeSync(fd, new Uint8Array(BLOCK_BYTES), 0, BLOCK_BYTES, block * BLOCK_BYTES);
          }
        },
      },
      tree,
      geometry,
      bodies: { extentsOf: (body) => bodies[body] ?? [] },
      firstFreeBlock: placer.next,
      identity: { ...TEST_IDENTITY, ...identity },
      isCancelled: () => false,
    }),
  );
  return { result, tree, contents };
}

/** Places bodies densely, and knows nothing of the writer but the usable ranges. */
class Placer {
  next = 0;
  readonly #fd: number;
  readonly #free: { readonly first: number; readonly blocks: number }[];
  readonly #gapBlocks: number;

  constructor(fd: number, free: ReturnType<typeof usableRanges>, gapBlocks: number) {
    this.#fd = fd;
    this.#free = [...free];
    this.#gapBlocks = gapBlocks;
  }

  place(segments: SparseBody["segments"]): readonly Extent[] {
    const extents = segments.flatMap(({ block, content }) => {
      const placed: Extent[] = [];
      const count = Math.ceil(content.length / BLOCK_BYTES);
      for (let done = 0; done < count;) {
        const { first, blocks } = this.#take(count - done);
        const part = content.subarray(done * BLOCK_BYTES, (done + blocks) * BLOCK_BYTES);
        writeSync(this.#fd, part, 0, part.length, first * BLOCK_BYTES);
        placed.push({ logicalBlock: block + done, physicalBlock: first, blocks });
        done += blocks;
      }
      return placed;
    });
    for (let left = this.#gapBlocks; left > 0;) {
      const { first, blocks } = this.#take(left);
      const secret = Buffer.alloc(blocks * BLOCK_BYTES, "secret");
      writeSync(this.#fd, secret, 0, secret.length, first * BLOCK_BYTES);
      left -= blocks;
    }
    return extents;
  }

  #take(most: number): { readonly first: number; readonly blocks: number } {
    const range = this.#free.shift();
    if (range === undefined) throw new Error("the bodies of the test do not fit");
    const blocks = Math.min(most, range.blocks);
    if (blocks < range.blocks) {
      this.#free.unshift({ first: range.first + blocks, blocks: range.blocks - blocks });
    }
    this.next = range.first + blocks;
    return { first: range.first, blocks };
  }
}
