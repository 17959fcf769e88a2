import type { ImportError } from "../../errors.ts";
import {
  NONE,
  pathOf,
  S_IFDIR,
  S_IFLNK,
  S_IFREG,
  typeOf,
  type RootfsTree,
} from "../../rootfs/rootfs-tree.ts";
import { Omissions } from "../omissions.ts";
import { beyondFormat, requireStorableTarget } from "../storable.ts";
import type { BlockUsage } from "../block-usage.ts";
import { throwWhenCancelled } from "../cancellation.ts";
import { DirectoryEntries, fitsOneBlock } from "./directory-entries.ts";
import { ExtentList, treeBlocksOf } from "./extents.ts";
import { BLOCK_BYTES, I_BLOCK_BYTES, MAX_LINKS } from "./format.ts";
import { MAX_LEAVES, mostBlocksOf } from "./htree.ts";
import type { InodeNumbers } from "./inode-numbers.ts";
import { storableSeconds } from "./inode.ts";
import type { Ext4MetadataInput } from "./metadata-input.ts";
import type { XattrBlocks, XattrPlanner } from "./xattr-blocks.ts";

/** Logical blocks have 32 bits, and the last one is not used (`EXT_MAX_BLOCKS`). */
const MAX_FILE_BYTES = (2 ** 32 - 1) * BLOCK_BYTES;

export interface SurveyParts {
  readonly numbers: InodeNumbers;
  readonly usage: BlockUsage;
  readonly planner: XattrPlanner;
  readonly xattrBlocks: XattrBlocks;
}

export interface Survey {
  /** Blocks that directories, extent trees, long symlinks and attributes take at most. */
  readonly contentBlocks: number;
  readonly omissions: Omissions;
}

/**
 * Looks at every inode before anything is written: marks the blocks of the bodies, counts what the metadata will need, and
 * finds what ext4 cannot hold.
 * @throws ImportError ERR_LIMIT_EXCEEDED, ERR_LAYER_CORRUPT, ERR_CANCELLED
 */
export function surveyTree(input: Ext4MetadataInput, parts: SurveyParts): Survey {
  const { tree } = input;
  const { numbers, planner, xattrBlocks } = parts;
  const omissions = new Omissions();
  const entries = new DirectoryEntries();
  const extents = new ExtentList();
  let blocks = LOST_FOUND_SPARE_BLOCKS;
  for (let number = 0; number <= numbers.last; number++) {
    throwWhenCancelled(input, number);
    const name = numbers.names[number]!;
    if (name === NONE) continue;
    const inode = tree.inodes[name]!;
    requireStorable(tree, name);
    noteTime(tree, name, omissions);
    const plan = planner.planOf(inode, name);
    for (const what of plan.leftOut) note(omissions, tree, name, what);
    if (plan.block !== undefined) xattrBlocks.want(plan.block);
    const type = typeOf(tree, inode);
    if (type === S_IFREG) {
      gatherExtents(input, inode, extents);
      markExtents(parts.usage, extents);
      blocks += treeBlocksOf(extents.count);
    } else if (type === S_IFDIR) {
      entries.list(tree, numbers, number);
      requireIndexable(tree, name, entries);
      blocks += fitsOneBlock(entries) ? 1 : mostBlocksOf(entries);
    } else if (type === S_IFLNK && tree.linkLengthsOrMinors[inode]! >= I_BLOCK_BYTES) blocks++;
  }
  return { contentBlocks: blocks + xattrBlocks.blocks, omissions };
}

/** What is not in the tree: blocks of `lost+found`, and those that it may add to the root. */
const LOST_FOUND_SPARE_BLOCKS = 8;

/** The extents of a file's body. */
export function gatherExtents(input: Ext4MetadataInput, inode: number, extents: ExtentList): void {
  const { tree, bodies } = input;
  extents.clear();
  const body = tree.bodies[inode]!;
  if (body === -1) return;
  for (const extent of bodies.extentsOf(body, tree.sizes[inode]!)) {
    extents.add(extent.logicalBlock, extent.physicalBlock, extent.blocks);
  }
}

function markExtents(usage: BlockUsage, extents: ExtentList): void {
  for (let at = 0; at < extents.count; at++) {
    usage.mark(extents.physicalOf(at), extents.lengthOf(at));
  }
}

/** What earlier stages let pass only where a limit was raised. */
function requireStorable(tree: RootfsTree, name: number): void {
  const inode = tree.inodes[name]!;
  const type = typeOf(tree, inode);
  if (type === S_IFDIR) return;
  const links = tree.linkCounts[inode]!;
  if (links > MAX_LINKS) throw beyond(tree, name, `${links} hard links`, MAX_LINKS);
  const size = tree.sizes[inode]!;
  if (size > MAX_FILE_BYTES) throw beyond(tree, name, `${size} bytes`, MAX_FILE_BYTES);
  if (type === S_IFLNK) requireStorableTarget(tree, name, "ext4");
}

function requireIndexable(tree: RootfsTree, name: number, entries: DirectoryEntries): void {
  if (fitsOneBlock(entries) || mostBlocksOf(entries) <= MAX_LEAVES) return;
  throw beyond(
    tree,
    name,
    `${entries.count} entries of ${entries.recordBytes} bytes`,
    MAX_LEAVES * BLOCK_BYTES,
  );
}

function beyond(tree: RootfsTree, name: number, has: string, limit: number): ImportError {
  return beyondFormat(tree, name, { has, format: "ext4", limit });
}

function noteTime(tree: RootfsTree, name: number, omissions: Omissions): void {
  const seconds = tree.mtimeSeconds[tree.inodes[name]!]!;
  if (storableSeconds(seconds) === seconds) return;
  note(omissions, tree, name, `time ${seconds} is beyond what the file system holds`);
}

function note(omissions: Omissions, tree: RootfsTree, name: number, what: string): void {
  omissions.add(omissions.takesLines ? pathOf(tree, name) : Buffer.alloc(0), what);
}
