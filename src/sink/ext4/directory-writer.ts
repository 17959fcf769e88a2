import type { RootfsTree } from "../../rootfs/rootfs-tree.ts";
import type { BlockAllocator } from "./block-allocator.ts";
import type { BlockWriter } from "../block-writer.ts";
import { RecordBlock, type DirectoryIdentity } from "./directory-blocks.ts";
import { DirectoryEntries, fitsOneBlock } from "./directory-entries.ts";
import { FIRST_INODE, ROOT_INODE } from "./format.ts";
import type { BlockRange } from "./geometry.ts";
import { HalfMd4 } from "./half-md4.ts";
import { Htree } from "./htree.ts";
import type { InodeNumbers } from "./inode-numbers.ts";

/** As `mke2fs` makes it: room in which e2fsck can reconnect files without a free block. */
const LOST_FOUND_BLOCKS = 4;

export interface WrittenDirectory {
  readonly runs: readonly BlockRange[];
  readonly subdirectories: number;
  readonly isIndexed: boolean;
}

export interface DirectoryWriterParts {
  readonly tree: RootfsTree;
  readonly numbers: InodeNumbers;
  readonly hashSeed: Uint8Array;
  readonly writer: BlockWriter;
  readonly allocator: BlockAllocator;
}

/** Lays out directories: in one block what fits there, hashed what does not. */
export class DirectoryWriter {
  readonly #parts: DirectoryWriterParts;
  readonly #entries: DirectoryEntries = new DirectoryEntries();
  readonly #records: RecordBlock;
  readonly #htree: Htree;

  constructor(parts: DirectoryWriterParts) {
    this.#parts = parts;
    this.#records = new RecordBlock(parts.writer);
    this.#htree = new Htree(new HalfMd4(parts.hashSeed));
  }

  write(identity: DirectoryIdentity): WrittenDirectory {
    const { tree, numbers } = this.#parts;
    const entries = this.#entries;
    if (identity.self === ROOT_INODE && numbers.lostFound === "made") {
      entries.listRootWithLostFound(tree, numbers);
    } else {
      entries.list(tree, numbers, identity.self);
    }
    const isIndexed = !fitsOneBlock(entries);
    const spare = identity.self === FIRST_INODE ? LOST_FOUND_BLOCKS - 1 : 0;
    const runs = isIndexed ? this.#writeIndexed(identity) : this.#writeLinear(identity, spare);
    return { runs, subdirectories: entries.subdirectories, isIndexed };
  }

  /** The `lost+found` that the image does not have. */
  writeEmptyLostFound(seed: number): WrittenDirectory {
    this.#entries.listNothing();
    const identity = { self: FIRST_INODE, parent: ROOT_INODE, seed };
    const runs = this.#writeLinear(identity, LOST_FOUND_BLOCKS - 1);
    return { runs, subdirectories: 0, isIndexed: false };
  }

  /** @param spare empty blocks behind the one with the entries */
  #writeLinear(identity: DirectoryIdentity, spare: number): readonly BlockRange[] {
    const runs = this.#parts.allocator.take(1 + spare);
    for (let block = 0; block <= spare; block++) {
      this.#records.begin(blockIn(runs, block));
      if (block === 0) {
        this.#records.addDots(identity);
        for (let slot = 0; slot < this.#entries.count; slot++) {
          this.#records.add(this.#entries, slot);
        }
      }
      this.#records.end(identity.seed);
    }
    return runs;
  }

  #writeIndexed(identity: DirectoryIdentity): readonly BlockRange[] {
    this.#htree.plan(this.#entries);
    const runs = this.#parts.allocator.take(this.#htree.blocks);
    this.#htree.write(this.#parts.writer, this.#entries, identity, (block) => blockIn(runs, block));
    return runs;
  }
}

/** The block of the disk for a block of the directory. */
function blockIn(runs: readonly BlockRange[], block: number): number {
  let before = 0;
  for (const { first, blocks } of runs) {
    if (block < before + blocks) return first + block - before;
    before += blocks;
  }
  throw new RangeError(`a directory has no block ${block}`);
}
