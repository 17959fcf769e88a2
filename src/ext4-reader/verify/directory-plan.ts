import {
  indexBlock,
  indexChecksumHolds,
  indexInfo,
  looksLikeIndexNode,
} from "../directory-index.ts";
import type { IndexBlock } from "../directory-index.ts";
import { INODE_FLAG } from "../format.ts";
import { createHalfMd4, type NameHash } from "../half-md4.ts";
import type { Volume } from "../volume.ts";
import { directoryBlock, physicalBlock, type DirectoryView } from "./directory-view.ts";

export type HashName = (bytes: Uint8Array, start: number, end: number) => NameHash;

/** What each block of a directory is for. */
export interface DirectoryPlan {
  readonly roles: Uint8Array;
  /** Of a leaf: names hash to this or more … */
  readonly low: Uint32Array;
  /** … and to less than that of the next leaf; 2^32-1 for the last. */
  readonly high: Uint32Array;
  /** Undefined: names are in no order, or hashed in a way that is not checked. */
  readonly hash: HashName | undefined;
  readonly problems: readonly { readonly problem: string; readonly block: number }[];
}

export const ROLE = { unused: 0, leaf: 1, root: 2, node: 3 } as const;
/** `EXT4_HTREE_EOF_32BIT` and more: no name hashes to it. */
const NO_LIMIT = 0xffffffff;

/** Reads the index of a directory, if it has one. */
export function planDirectory(volume: Volume, view: DirectoryView): DirectoryPlan {
  const roles = new Uint8Array(view.blocks);
  const low = new Uint32Array(view.blocks);
  const high = new Uint32Array(view.blocks).fill(NO_LIMIT);
  if ((view.inode.flags & INODE_FLAG.index) === 0) {
    return { roles: roles.fill(ROLE.leaf), low, high, hash: undefined, problems: [] };
  }
  const reading = new IndexReading(volume, view, roles);
  const { leaves, hash } = reading.read();
  for (const [at, { block, from }] of leaves.entries()) {
    low[block] = from;
    high[block] = leaves[at + 1]?.from ?? NO_LIMIT;
  }
  return { roles, low, high, hash, problems: reading.problems };
}

interface Leaf {
  readonly block: number;
  readonly from: number;
}

/** One reading of an index. Attack: a block named twice would be read without end, so each block gets one role. */
class IndexReading {
  readonly problems: { readonly problem: string; readonly block: number }[] = [];
  readonly #volume: Volume;
  readonly #view: DirectoryView;
  readonly #roles: Uint8Array;

  constructor(volume: Volume, view: DirectoryView, roles: Uint8Array) {
    this.#volume = volume;
    this.#view = view;
    this.#roles = roles;
  }

  read(): { readonly leaves: readonly Leaf[]; readonly hash: HashName | undefined } {
    const bytes = directoryBlock(this.#volume, this.#view, 0);
    const info = indexInfo(bytes);
    this.#roles[0] = ROLE.root;
    if (typeof info === "string") {
      this.#report(info, 0);
      return { leaves: [], hash: undefined };
    }
    const root = this.#entries(bytes, 0);
    const leaves = info.levels === 0 ? this.#leaves(root, 0) : this.#nodes(root);
    const unnamed = this.#roles.indexOf(ROLE.unused);
    if (unnamed !== -1) this.#report("its index does not name all of its blocks", unnamed);
    return { leaves, hash: this.#hash(info.hashVersion) };
  }

  #nodes(root: IndexBlock): readonly Leaf[] {
    const leaves: Leaf[] = [];
    for (const [at, block] of root.blocks.entries()) {
      if (!this.#take(block, ROLE.node)) continue;
      const bytes = directoryBlock(this.#volume, this.#view, block);
      if (!looksLikeIndexNode(bytes))
        this.#report("its index leads to a block that is none", block);
      else
        for (const leaf of this.#leaves(this.#entries(bytes, block), root.hashes[at]!))
          leaves.push(leaf);
    }
    for (const [at, { block, from }] of leaves.entries()) {
      if (at > 0 && from < leaves[at - 1]!.from) this.#report("its index is out of order", block);
    }
    return leaves;
  }

  #leaves({ blocks, hashes }: IndexBlock, first: number): readonly Leaf[] {
    return blocks.flatMap((block, at) =>
      this.#take(block, ROLE.leaf) ? [{ block, from: at === 0 ? first : hashes[at]! }] : [],
    );
  }

  #entries(bytes: Buffer, block: number): IndexBlock {
    const { hasChecksums } = this.#volume.superblock;
    const entries = indexBlock(bytes, { isRoot: block === 0, hasChecksums });
    if (typeof entries === "string") {
      this.#report(entries, block);
      return { blocks: [], hashes: [] };
    }
    if (hasChecksums && !indexChecksumHolds(bytes, block === 0, this.#view.seed)) {
      this.#report("a block of its index has a wrong checksum", block);
    }
    return entries;
  }

  #take(block: number, role: number): boolean {
    if (block >= this.#view.blocks) {
      this.#report(`its index leads to block ${block} of ${this.#view.blocks}`, 0);
      return false;
    }
    if (this.#roles[block] !== ROLE.unused) {
      this.#report("its index names a block twice", block);
      return false;
    }
    this.#roles[block] = role;
    return true;
  }

  #report(problem: string, block: number): void {
    this.problems.push({ problem, block: physicalBlock(this.#view, block) });
  }

  #hash(version: number): HashName | undefined {
    const { hashSeed, unsignedHash } = this.#volume.superblock;
    // 0 legacy, 1 half MD4, 2 TEA; 3 to 5 the same with unsigned bytes. Only half MD4 is in use.
    if (version !== 1 && version !== 4) return undefined;
    return createHalfMd4(hashSeed, version === 4 || unsignedHash);
  }
}
