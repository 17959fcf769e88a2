import type { EnterMapBlock, MapStep } from "./block-map.ts";
import { inodeBlock, type Inode } from "./inode.ts";
import { isBlockRange, readBlocks, type Volume } from "./volume.ts";

const POINTER_BYTES = 4;
const DIRECT_POINTERS = 12;
const ALL_POINTERS = 15;

/** A pointer and what it covers. */
interface Pointer {
  readonly block: number;
  /** 0: data; else how many levels of pointers lie below. */
  readonly level: number;
  readonly logical: number;
}

/** A block full of pointers, half read. */
interface PointerBlock extends Pointer {
  readonly bytes: Buffer;
  next: number;
}

/**
 * Walks the block pointers that ext2 had: twelve direct ones, then trees of one to three levels. ext4 has them in its
 * resize inode, and in files that were made without extents. They have no checksums.
 */
export function* pointerSteps(
  volume: Volume,
  inode: Inode,
  enter: EnterMapBlock,
): Generator<MapStep, void, undefined> {
  const root = inodeBlock(inode);
  const perBlock = volume.superblock.blockSize / POINTER_BYTES;
  let logical = 0;
  for (let at = 0; at < ALL_POINTERS; at++) {
    const level = Math.max(0, at - DIRECT_POINTERS + 1);
    const block = root.readUInt32LE(at * POINTER_BYTES);
    if (block !== 0) yield* below(volume, { block, level, logical }, enter);
    logical += perBlock ** level;
  }
}

function* below(
  volume: Volume,
  top: Pointer,
  enter: EnterMapBlock,
): Generator<MapStep, void, undefined> {
  const perBlock = volume.superblock.blockSize / POINTER_BYTES;
  const path: PointerBlock[] = [];
  let pointer: Pointer | undefined = top;
  while (pointer !== undefined) {
    if (!isBlockRange(volume.superblock, pointer.block, 1)) {
      yield { kind: "problem", problem: `its block ${pointer.block} is not on the disk` };
    } else if (pointer.level === 0) {
      const { logical: logicalBlock, block: physicalBlock } = pointer;
      yield { kind: "run", run: { logicalBlock, physicalBlock, blocks: 1, written: true } };
    } else if (enter(pointer.block)) {
      path.push({ ...pointer, bytes: readBlocks(volume, pointer.block), next: 0 });
    }
    pointer = nextPointer(path, perBlock);
  }
}

function nextPointer(path: PointerBlock[], perBlock: number): Pointer | undefined {
  for (let above = path.at(-1); above !== undefined; above = path.at(-1)) {
    while (above.next < perBlock) {
      const at = above.next++;
      const block = above.bytes.readUInt32LE(at * POINTER_BYTES);
      const level = above.level - 1;
      if (block !== 0) return { block, level, logical: above.logical + at * perBlock ** level };
    }
    path.pop();
  }
  return undefined;
}
