import {
  linkTargetOf,
  NONE,
  S_IFBLK,
  S_IFCHR,
  S_IFDIR,
  S_IFLNK,
  S_IFMT,
  S_IFREG,
} from "../../rootfs/rootfs-tree.ts";
import type { BlockAllocator } from "./block-allocator.ts";
import { BlockWriter } from "../block-writer.ts";
import { throwWhenCancelled } from "../cancellation.ts";
import { inodeChecksumSeed } from "../crc32c.ts";
import { writeDeviceNumber } from "./device-number.ts";
import { DirectoryWriter } from "./directory-writer.ts";
import { ExtentList, ExtentTreeWriter, treeBlocksOf } from "./extents.ts";
import {
  BLOCK_BYTES,
  FIRST_INODE,
  I_BLOCK_BYTES,
  INODE,
  INODE_BYTES,
  INODE_FLAG_EXTENTS,
  INODE_FLAG_INDEX,
  INODES_PER_BLOCK,
  JOURNAL_INODE,
  MAX_LINKS,
} from "./format.ts";
import type { BlockRange } from "./geometry.ts";
import type { InodeNumbers } from "./inode-numbers.ts";
import { writeInodeFields, type InodeFields } from "./inode.ts";
import type { Ext4MetadataInput } from "./metadata-input.ts";
import { gatherExtents } from "./survey.ts";
import type { XattrBlocks, XattrPlanner } from "./xattr-blocks.ts";

const PERMISSIONS = 0o777;
const LOST_FOUND_MODE: number = S_IFDIR | 0o700;
const JOURNAL_MODE: number = S_IFREG | 0o600;

export interface InodeTableParts {
  readonly numbers: InodeNumbers;
  readonly planner: XattrPlanner;
  readonly xattrBlocks: XattrBlocks;
  readonly allocator: BlockAllocator;
  /** Of the file system's checksums. */
  readonly seed: number;
  /** Empty: there is no journal. */
  readonly journal: readonly BlockRange[];
  readonly inodesPerGroup: number;
  /** The first block of each group's table. */
  readonly tables: Float64Array;
}

export interface WrittenInodes {
  /** By group. */
  readonly directories: Uint32Array;
  /** The journal's `i_block`, of which the superblock keeps a copy. */
  readonly journalBlock: Uint8Array;
}

/**
 * Writes the inodes in use, in the order of their numbers, and with each one what belongs to it: directory blocks, extent
 * tree, attribute block, the target of a long symlink. The rest of the tables are zeros that nobody writes.
 */
export function writeInodes(input: Ext4MetadataInput, parts: InodeTableParts): WrittenInodes {
  const writer = new InodeTableWriter(input, parts);
  for (let number = 1; number <= parts.numbers.last; number++) {
    throwWhenCancelled(input, number);
    writer.write(number);
  }
  writer.flush();
  return writer;
}

class InodeTableWriter implements WrittenInodes {
  readonly directories: Uint32Array;
  readonly journalBlock: Uint8Array = new Uint8Array(I_BLOCK_BYTES);
  readonly #input: Ext4MetadataInput;
  readonly #parts: InodeTableParts;
  readonly #table: BlockWriter;
  /** What inodes point to. */
  readonly #content: BlockWriter;
  readonly #directories: DirectoryWriter;
  readonly #extentTrees: ExtentTreeWriter;
  readonly #extents: ExtentList = new ExtentList();
  /** Of the inode being written, and where it lies in the table's buffer. */
  readonly #fields: InodeFields = {
    mode: 0,
    uid: 0,
    gid: 0,
    sizeBytes: 0,
    links: 0,
    blocks: 0,
    flags: 0,
    xattrBlock: 0,
    hasXattrs: false,
    seconds: 0,
    nanoseconds: 0,
  };
  #seed = 0;
  #at = 0;
  #blockAt = 0;

  constructor(input: Ext4MetadataInput, parts: InodeTableParts) {
    this.#input = input;
    this.#parts = parts;
    this.#table = new BlockWriter(input.file);
    this.#content = new BlockWriter(input.file);
    this.directories = new Uint32Array(parts.tables.length);
    this.#directories = new DirectoryWriter({
      tree: input.tree,
      numbers: parts.numbers,
      hashSeed: input.identity.hashSeed,
      writer: this.#content,
      allocator: parts.allocator,
    });
    this.#extentTrees = new ExtentTreeWriter(this.#content, parts.allocator);
  }

  flush(): void {
    this.#table.flush();
    this.#content.flush();
  }

  write(number: number): void {
    this.#place(number);
    const name = this.#parts.numbers.names[number]!;
    if (name !== NONE) this.#writeTreeInode(number, name);
    else if (number === JOURNAL_INODE && this.#parts.journal.length > 0) this.#writeJournal();
    else if (number === FIRST_INODE && this.#parts.numbers.lostFound === "made") {
      this.#writeLostFound();
    }
  }

  /** Finds the inode's place; a reserved number leaves it zeros. */
  #place(number: number): void {
    const { inodesPerGroup, tables, seed } = this.#parts;
    const group = Math.floor((number - 1) / inodesPerGroup);
    const index = (number - 1) % inodesPerGroup;
    const slot = index % INODES_PER_BLOCK;
    if (slot === 0) this.#blockAt = this.#table.begin(tables[group]! + index / INODES_PER_BLOCK);
    this.#at = this.#blockAt + slot * INODE_BYTES;
    this.#seed = inodeChecksumSeed(seed, number);
  }

  #countDirectory(number: number): void {
    this.directories[Math.floor((number - 1) / this.#parts.inodesPerGroup)]!++;
  }

  #writeTreeInode(number: number, name: number): void {
    const { tree } = this.#input;
    const fields = this.#fields;
    const inode = tree.inodes[name]!;
    fields.mode = tree.modes[inode]!;
    fields.uid = tree.uids[inode]!;
    fields.gid = tree.gids[inode]!;
    fields.seconds = tree.mtimeSeconds[inode]!;
    fields.nanoseconds = tree.mtimeNanoseconds[inode]!;
    fields.links = tree.linkCounts[inode]!;
    fields.sizeBytes = 0;
    fields.blocks = 0;
    fields.flags = 0;
    fields.xattrBlock = 0;
    fields.hasXattrs = false;
    if (tree.xattrLengths[inode] !== 0) this.#addXattrs(inode, name);
    switch (fields.mode & S_IFMT) {
      case S_IFREG:
        fields.sizeBytes = tree.sizes[inode]!;
        gatherExtents(this.#input, inode, this.#extents);
        this.#addExtents();
        break;
      case S_IFDIR:
        this.#addDirectory(number, name);
        break;
      case S_IFLNK:
        this.#addSymlink(linkTargetOf(tree, inode));
        break;
      case S_IFCHR:
      case S_IFBLK:
        writeDeviceNumber(
          this.#table.view,
          this.#at + INODE.block,
          tree.linkOffsetsOrMajors[inode]!,
          tree.linkLengthsOrMinors[inode]!,
        );
        break;
      default:
    }
    writeInodeFields(this.#table, this.#at, fields, this.#seed);
  }

  #addXattrs(inode: number, name: number): void {
    const { planner, xattrBlocks, allocator, seed } = this.#parts;
    const plan = planner.planOf(inode, name);
    const fields = this.#fields;
    fields.hasXattrs = plan.inInode.length > 0;
    this.#table.bytes.set(plan.inInode, this.#at + INODE.xattrs);
    if (plan.permissions !== undefined) {
      fields.mode = (fields.mode & ~PERMISSIONS) | plan.permissions;
    }
    if (plan.block === undefined) return;
    fields.xattrBlock = xattrBlocks.place(plan.block, { writer: this.#content, allocator, seed });
    fields.blocks = 1;
  }

  #addExtents(): void {
    const fields = this.#fields;
    fields.flags |= INODE_FLAG_EXTENTS;
    fields.blocks += this.#extents.blocks + treeBlocksOf(this.#extents.count);
    this.#extentTrees.write(this.#table.view, this.#at, this.#extents, this.#seed);
  }

  #addRuns(runs: readonly BlockRange[]): void {
    this.#extents.clear();
    let logical = 0;
    for (const { first, blocks } of runs) {
      this.#extents.add(logical, first, blocks);
      logical += blocks;
    }
    this.#addExtents();
  }

  #addDirectory(number: number, name: number): void {
    const { tree } = this.#input;
    const { numbers } = this.#parts.numbers;
    const parent = numbers[tree.inodes[tree.parents[name]!]!]!;
    this.#finishDirectory(this.#directories.write({ self: number, parent, seed: this.#seed }));
    this.#countDirectory(number);
  }

  #finishDirectory({
    runs,
    subdirectories,
    isIndexed,
  }: ReturnType<DirectoryWriter["write"]>): void {
    const fields = this.#fields;
    const links = 2 + subdirectories;
    // dir_nlink: more than can be counted is said as 1.
    fields.links = links > MAX_LINKS ? 1 : links;
    if (isIndexed) fields.flags |= INODE_FLAG_INDEX;
    this.#addRuns(runs);
    fields.sizeBytes = sizeOf(runs);
  }

  /** A short target lies where the extents would; a long one in a block, NUL-padded. */
  #addSymlink(target: Uint8Array): void {
    this.#fields.sizeBytes = target.length;
    if (target.length < I_BLOCK_BYTES) {
      this.#table.bytes.set(target, this.#at + INODE.block);
      return;
    }
    const block = this.#parts.allocator.takeOne();
    this.#content.bytes.set(target, this.#content.begin(block));
    this.#addRuns([{ first: block, blocks: 1 }]);
  }

  #beginMade(mode: number): void {
    Object.assign(this.#fields, {
      mode,
      uid: 0,
      gid: 0,
      links: 1,
      blocks: 0,
      flags: 0,
      xattrBlock: 0,
      hasXattrs: false,
      seconds: this.#input.identity.epochSeconds,
      nanoseconds: 0,
    });
  }

  #writeLostFound(): void {
    this.#beginMade(LOST_FOUND_MODE);
    this.#finishDirectory(this.#directories.writeEmptyLostFound(this.#seed));
    this.#countDirectory(FIRST_INODE);
    writeInodeFields(this.#table, this.#at, this.#fields, this.#seed);
  }

  #writeJournal(): void {
    const { journal } = this.#parts;
    this.#beginMade(JOURNAL_MODE);
    this.#addRuns(journal);
    this.#fields.sizeBytes = sizeOf(journal);
    writeInodeFields(this.#table, this.#at, this.#fields, this.#seed);
    const at = this.#at + INODE.block;
    this.journalBlock.set(this.#table.bytes.subarray(at, at + I_BLOCK_BYTES));
  }
}

function sizeOf(runs: readonly BlockRange[]): number {
  return runs.reduce((sum, { blocks }) => sum + blocks, 0) * BLOCK_BYTES;
}
