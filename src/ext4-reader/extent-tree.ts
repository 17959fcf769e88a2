import { crc32c } from "../image-reader/crc32c.ts";
import type { EnterMapBlock, MapStep } from "./block-map.ts";
import {
  EXTENT_BYTES,
  EXTENT_HEADER_BYTES,
  EXTENT_MAGIC,
  EXTENT_MAX_DEPTH,
  EXTENT_MAX_WRITTEN,
  EXTENT_ROOT_SLOTS,
  MAX_FILE_BLOCKS,
} from "./format.ts";
import { inodeBlock, inodeSeed, type Inode } from "./inode.ts";
import { isBlockRange, readBlocks, type Volume } from "./volume.ts";

/** A block of the tree, half read. */
interface Node {
  readonly bytes: Buffer;
  /** Undefined: the root, in the inode. */
  readonly block: number | undefined;
  readonly depth: number;
  readonly entries: number;
  next: number;
}

/**
 * Walks an extent tree of any depth, depth first. Attack: a child is one level deeper than its parent, or refused, so no
 * tree leads in a circle.
 */
export function* extentSteps(
  volume: Volume,
  inode: Inode,
  enter: EnterMapBlock,
): Generator<MapStep, void, undefined> {
  const root = rootNode(inode);
  if (typeof root === "string") {
    yield { kind: "problem", problem: root };
    return;
  }
  const path: Node[] = [root];
  let expected = 0;
  for (let node = path.at(-1); node !== undefined; node = path.at(-1)) {
    if (node.next === node.entries) {
      path.pop();
      continue;
    }
    const at = EXTENT_HEADER_BYTES + EXTENT_BYTES * node.next++;
    const logical = node.bytes.readUInt32LE(at);
    if (logical < expected) yield problem("its extents overlap or are out of order", node);
    if (node.depth === 0) {
      const step = leafStep(volume, node, at);
      yield step;
      expected = logical + (step.kind === "run" ? step.run.blocks : 1);
      continue;
    }
    const child = node.bytes.readUInt32LE(at + 4) + node.bytes.readUInt16LE(at + 8) * 2 ** 32;
    if (!isBlockRange(volume.superblock, child, 1)) {
      yield problem(`its extent tree leads to block ${child}, which is not on the disk`, node);
    } else if (enter(child)) yield* descend(volume, inode, { path, child, logical });
  }
}

function rootNode(inode: Inode): Node | string {
  const bytes = inodeBlock(inode);
  const depth = bytes.readUInt16LE(6);
  if (depth > EXTENT_MAX_DEPTH) return `its extent tree is ${depth} levels deep`;
  return headedNode(bytes, { block: undefined, depth, slots: EXTENT_ROOT_SLOTS });
}

function headedNode(
  bytes: Buffer,
  wanted: { readonly block: number | undefined; readonly depth: number; readonly slots: number },
): Node | string {
  const { block, depth, slots } = wanted;
  const where = block === undefined ? "its extent root" : "a block of its extent tree";
  const entries = bytes.readUInt16LE(2);
  if (bytes.readUInt16LE(0) !== EXTENT_MAGIC) return `${where} has no extent header`;
  if (bytes.readUInt16LE(4) !== slots) return `${where} claims ${bytes.readUInt16LE(4)} slots`;
  if (entries > slots) return `${where} claims ${entries} entries in ${slots} slots`;
  if (bytes.readUInt16LE(6) !== depth) return `${where} stands at a wrong depth`;
  if (entries === 0 && (block !== undefined || depth > 0)) return `${where} is empty`;
  return { bytes, block, depth, entries, next: 0 };
}

function* descend(
  volume: Volume,
  inode: Inode,
  {
    path,
    child,
    logical,
  }: { readonly path: Node[]; readonly child: number; readonly logical: number },
): Generator<MapStep, void, undefined> {
  const { superblock } = volume;
  const slots = Math.floor((superblock.blockSize - EXTENT_HEADER_BYTES) / EXTENT_BYTES);
  const bytes = readBlocks(volume, child);
  const depth = (path.at(-1)?.depth ?? 0) - 1;
  const node = headedNode(bytes, { block: child, depth, slots });
  if (superblock.hasChecksums) {
    const end = EXTENT_HEADER_BYTES + EXTENT_BYTES * slots;
    const seed = inodeSeed(superblock, inode.number, inode.generation);
    if (crc32c(seed, bytes, 0, end) !== bytes.readUInt32LE(end)) {
      yield {
        kind: "problem",
        problem: "a block of its extent tree has a wrong checksum",
        block: child,
      };
    }
  }
  if (typeof node === "string") {
    yield { kind: "problem", problem: node, block: child };
    return;
  }
  if (bytes.readUInt32LE(EXTENT_HEADER_BYTES) !== logical) {
    yield problem("a block of its extent tree does not begin where its index says", node);
  }
  path.push(node);
}

function leafStep(volume: Volume, node: Node, at: number): MapStep {
  const { bytes } = node;
  const logicalBlock = bytes.readUInt32LE(at);
  const length = bytes.readUInt16LE(at + 4);
  const physicalBlock = bytes.readUInt32LE(at + 8) + bytes.readUInt16LE(at + 6) * 2 ** 32;
  const written = length <= EXTENT_MAX_WRITTEN;
  const blocks = written ? length : length - EXTENT_MAX_WRITTEN;
  if (blocks === 0) return problem("it has an extent of no blocks", node);
  if (logicalBlock + blocks > MAX_FILE_BLOCKS) return problem("an extent is too far out", node);
  if (!isBlockRange(volume.superblock, physicalBlock, blocks)) {
    const last = physicalBlock + blocks - 1;
    return problem(`its blocks ${physicalBlock} to ${last} are not on the disk`, node);
  }
  return { kind: "run", run: { logicalBlock, physicalBlock, blocks, written } };
}

function problem(text: string, { block }: Node): MapStep {
  return { kind: "problem", problem: text, ...(block === undefined ? {} : { block }) };
}
