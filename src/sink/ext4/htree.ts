import { FILE_TYPE_DIRECTORY } from "../directory-file-type.ts";
import type { BlockWriter } from "../block-writer.ts";
import { crc32c } from "../crc32c.ts";
import { RecordBlock, type DirectoryIdentity } from "./directory-blocks.ts";
import { DOT_RECORD_BYTES, recordBytesOf, type DirectoryEntries } from "./directory-entries.ts";
import {
  BLOCK_BYTES,
  DIRECTORY_ROOM,
  DX_ENTRY_BYTES,
  DX_INFO_BYTES,
  DX_NODE_COUNT_OFFSET,
  DX_NODE_LIMIT,
  DX_ROOT_COUNT_OFFSET,
  DX_ROOT_LIMIT,
  DX_TAIL_OFFSET,
  HASH_HALF_MD4,
} from "./format.ts";
import type { HalfMd4 } from "./half-md4.ts";
import { sortOrder } from "../sort-order.ts";

/** Leaves that two levels of index reach; the `large_dir` feature would allow a third. */
export const MAX_LEAVES: number = DX_ROOT_LIMIT * DX_NODE_LIMIT;
const ZEROS = new Uint8Array(8);

/** Inner nodes between the root and so many leaves. */
export function nodesAbove(leaves: number): number {
  return leaves <= DX_ROOT_LIMIT ? 0 : Math.ceil(leaves / DX_NODE_LIMIT);
}

/**
 * Blocks that a hashed directory of these entries surely fits in. Leaves are filled in hash order, and one is full as soon
 * as the next record does not fit: so each but the last holds more than its room less the longest record.
 */
export function mostBlocksOf(entries: DirectoryEntries): number {
  const names = entries.recordBytes - 2 * DOT_RECORD_BYTES;
  const leaves = Math.floor(names / (DIRECTORY_ROOM - entries.longestRecord + 4)) + 1;
  return 1 + nodesAbove(leaves) + leaves;
}

/**
 * A hashed directory (htree). Its blocks, in this order: the root, the inner nodes if there are more leaves than the root
 * has room for, the leaves. Used again for the next directory.
 *
 *     root      `.`  `..` (its record hides the rest)  info  limit count block  (hash block)*  tail
 *     node      one unused record over the block             limit count block  (hash block)*  tail
 *     leaf      ordinary records, and the tail of a directory block
 *
 * A leaf holds the names whose hash is at least the one in the index, and less than the next one's. Where equal hashes go on
 * in the next leaf, its hash in the index has bit 0 set (`fs/ext4/namei.c`, `ext4_htree_next_block`).
 */
export class Htree {
  leaves = 0;
  readonly #hash: HalfMd4;
  #majors: Uint32Array = new Uint32Array(0);
  #minors: Uint32Array = new Uint32Array(0);
  #order: Uint32Array = new Uint32Array(0);
  #scratch: Uint32Array = new Uint32Array(0);
  /** By leaf: the position in `#order` where it begins, and its hash in the index. */
  readonly #leafStarts: number[] = [];
  readonly #leafHashes: number[] = [];

  constructor(hash: HalfMd4) {
    this.#hash = hash;
  }

  get blocks(): number {
    return 1 + nodesAbove(this.leaves) + this.leaves;
  }

  /** Hashes and sorts the entries, and deals them to leaves. */
  plan(entries: DirectoryEntries): void {
    this.#sort(entries);
    this.#leafStarts.length = 0;
    this.#leafHashes.length = 0;
    let room = 0;
    let previous = -1;
    for (let at = 0; at < entries.count; at++) {
      const slot = this.#order[at]!;
      const bytes = recordBytesOf(entries.lengths[slot]!);
      const major = this.#majors[slot]!;
      if (bytes > room) {
        this.#leafStarts.push(at);
        this.#leafHashes.push(major === previous ? major + 1 : major);
        room = DIRECTORY_ROOM;
      }
      room -= bytes;
      previous = major;
    }
    this.leaves = this.#leafStarts.length;
  }

  #sort(entries: DirectoryEntries): void {
    const { count, nameBytes, offsets, lengths } = entries;
    if (count > this.#order.length) {
      this.#majors = new Uint32Array(count);
      this.#minors = new Uint32Array(count);
      this.#order = new Uint32Array(count);
      this.#scratch = new Uint32Array(count);
    }
    for (let slot = 0; slot < count; slot++) {
      this.#hash.hash(nameBytes, offsets[slot]!, lengths[slot]!);
      this.#majors[slot] = this.#hash.major;
      this.#minors[slot] = this.#hash.minor;
      this.#order[slot] = slot;
    }
    sortOrder(this.#order.subarray(0, count), this.#scratch, this.#isAfter);
  }

  readonly #isAfter = (left: number, right: number): boolean => {
    const difference = this.#majors[left]! - this.#majors[right]!;
    return difference === 0 ? this.#minors[left]! > this.#minors[right]! : difference > 0;
  };

  /** Writes the planned directory. @param blockAt the block of the disk for each block of the directory */
  write(
    writer: BlockWriter,
    entries: DirectoryEntries,
    identity: DirectoryIdentity,
    blockAt: (block: number) => number,
  ): void {
    const nodes = nodesAbove(this.leaves);
    const firstLeaf = 1 + nodes;
    this.#writeRoot(writer, writer.begin(blockAt(0)), identity);
    for (let node = 0; node < nodes; node++) {
      const first = node * DX_NODE_LIMIT;
      const count = Math.min(DX_NODE_LIMIT, this.leaves - first);
      const at = writer.begin(blockAt(1 + node));
      writer.view.setUint16(at + 4, BLOCK_BYTES, true);
      const index = new IndexBlock(writer, at, {
        countAt: DX_NODE_COUNT_OFFSET,
        limit: DX_NODE_LIMIT,
      });
      for (let leaf = first; leaf < first + count; leaf++) {
        index.add(this.#leafHashes[leaf]!, firstLeaf + leaf);
      }
      index.end(identity.seed);
    }
    const records = new RecordBlock(writer);
    for (let leaf = 0; leaf < this.leaves; leaf++) {
      records.begin(blockAt(firstLeaf + leaf));
      const end = this.#leafStarts[leaf + 1] ?? entries.count;
      for (let at = this.#leafStarts[leaf]!; at < end; at++) records.add(entries, this.#order[at]!);
      records.end(identity.seed);
    }
  }

  #writeRoot(writer: BlockWriter, at: number, { self, parent, seed }: DirectoryIdentity): void {
    const { view, bytes } = writer;
    view.setUint32(at, self, true);
    view.setUint16(at + 4, DOT_RECORD_BYTES, true);
    bytes.set([1, FILE_TYPE_DIRECTORY, 0x2e], at + 6);
    const parentAt = at + DOT_RECORD_BYTES;
    view.setUint32(parentAt, parent, true);
    view.setUint16(parentAt + 4, BLOCK_BYTES - DOT_RECORD_BYTES, true);
    bytes.set([2, FILE_TYPE_DIRECTORY, 0x2e, 0x2e], parentAt + 6);
    const nodes = nodesAbove(this.leaves);
    const infoAt = at + 2 * DOT_RECORD_BYTES;
    bytes.set([HASH_HALF_MD4, DX_INFO_BYTES, nodes === 0 ? 0 : 1], infoAt + 4);
    const index = new IndexBlock(writer, at, {
      countAt: DX_ROOT_COUNT_OFFSET,
      limit: DX_ROOT_LIMIT,
    });
    if (nodes === 0) {
      for (let leaf = 0; leaf < this.leaves; leaf++) index.add(this.#leafHashes[leaf]!, 1 + leaf);
    } else {
      for (let node = 0; node < nodes; node++) {
        index.add(this.#leafHashes[node * DX_NODE_LIMIT]!, 1 + node);
      }
    }
    index.end(seed);
  }
}

/** The sorted part of a root or inner node. The hash of the first entry is 0 by definition: limit and count have its place. */
class IndexBlock {
  readonly #writer: BlockWriter;
  readonly #block: number;
  readonly #entriesAt: number;
  readonly #limit: number;
  #count = 0;

  constructor(
    writer: BlockWriter,
    block: number,
    { countAt, limit }: { readonly countAt: number; readonly limit: number },
  ) {
    this.#writer = writer;
    this.#block = block;
    this.#entriesAt = block + countAt;
    this.#limit = limit;
  }

  add(hash: number, block: number): void {
    const at = this.#entriesAt + this.#count * DX_ENTRY_BYTES;
    if (this.#count > 0) this.#writer.view.setUint32(at, hash, true);
    this.#writer.view.setUint32(at + 4, block, true);
    this.#count++;
  }

  /** The checksum covers the entries in use, and the tail as zeros: not the unused entries in between. */
  end(seed: number): void {
    const { view, bytes } = this.#writer;
    view.setUint16(this.#entriesAt, this.#limit, true);
    view.setUint16(this.#entriesAt + 2, this.#count, true);
    const end = this.#entriesAt + this.#count * DX_ENTRY_BYTES;
    const checksum = crc32c(crc32c(seed, bytes, this.#block, end), ZEROS);
    view.setUint32(this.#block + DX_TAIL_OFFSET + 4, checksum, true);
  }
}
