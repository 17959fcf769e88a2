import type { RootfsTree } from "../../rootfs/rootfs-tree.ts";
import type { BlockAllocator } from "./block-allocator.ts";
import type { BlockWriter } from "../block-writer.ts";
import { crc32c, crc32cOfUint32 } from "../crc32c.ts";
import { XattrPlans } from "../xattr-plans.ts";
import { MAX_XATTR_REFERENCES } from "./format.ts";
import { planXattrs, type XattrBlock, type XattrPlan } from "./xattrs.ts";

/** Different blocks that are remembered: a block of its own for each file of a hostile image must not cost memory too. */
const MOST_SHARED_BLOCKS = 65_536;
const REFERENCES_OFFSET = 4;
const CHECKSUM_OFFSET = 16;

const NO_XATTRS: XattrPlan = {
  inInode: new Uint8Array(0),
  block: undefined,
  permissions: undefined,
  leftOut: [],
};

/** Plans the attributes of inodes, once for each different list. */
export class XattrPlanner extends XattrPlans<XattrPlan> {
  constructor(tree: RootfsTree) {
    super(tree, NO_XATTRS, planXattrs);
  }
}

interface SharedBlock {
  /** Inodes that still want the block and have none. */
  waiting: number;
  /** Where it lies, and for how many more inodes. */
  block: number;
  left: number;
}

/**
 * The attribute blocks of the image. Inodes with equal ones share them, up to 1,024 a block: a block each would cost 4 KiB
 * a file. All uses are counted first, so that each block is written once, with its final reference count.
 */
export class XattrBlocks {
  readonly #shared = new Map<string, SharedBlock>();
  /** Uses of blocks that are not in `#shared`, which is full: each gets its own. */
  #unshared = 0;

  /** Counts one inode that needs this block. */
  want({ digest }: XattrBlock): void {
    const shared = this.#shared.get(digest);
    if (shared !== undefined) shared.waiting++;
    else if (this.#shared.size === MOST_SHARED_BLOCKS) this.#unshared++;
    else this.#shared.set(digest, { waiting: 1, block: 0, left: 0 });
  }

  /** Blocks for all that was wanted. */
  get blocks(): number {
    let sum = this.#unshared;
    for (const { waiting } of this.#shared.values()) {
      sum += Math.ceil(waiting / MAX_XATTR_REFERENCES);
    }
    return sum;
  }

  /** The place of the block of one of the counted inodes; written when it is its first. */
  place({ bytes, digest }: XattrBlock, output: XattrBlockOutput): number {
    const shared = this.#shared.get(digest);
    if (shared === undefined) return writeBlock(bytes, 1, output);
    if (shared.left === 0) {
      shared.left = Math.min(shared.waiting, MAX_XATTR_REFERENCES);
      shared.waiting -= shared.left;
      shared.block = writeBlock(bytes, shared.left, output);
    }
    shared.left--;
    return shared.block;
  }
}

export interface XattrBlockOutput {
  readonly writer: BlockWriter;
  readonly allocator: BlockAllocator;
  /** Of the file system's checksums. */
  readonly seed: number;
}

/** @returns where it lies */
function writeBlock(
  bytes: Uint8Array,
  references: number,
  { writer, allocator, seed }: XattrBlockOutput,
): number {
  const block = allocator.takeOne();
  const at = writer.begin(block);
  writer.bytes.set(bytes, at);
  writer.view.setUint32(at + REFERENCES_OFFSET, references, true);
  // The seed is the file system's and the block's number, since the block has no one owner.
  const low = crc32cOfUint32(seed, block % 2 ** 32);
  const numbered = crc32cOfUint32(low, Math.floor(block / 2 ** 32));
  const checksum = crc32c(numbered, writer.bytes, at, at + bytes.length);
  writer.view.setUint32(at + CHECKSUM_OFFSET, checksum, true);
  return block;
}
