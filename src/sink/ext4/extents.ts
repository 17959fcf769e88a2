import type { BlockAllocator } from "./block-allocator.ts";
import type { BlockWriter } from "../block-writer.ts";
import { crc32c } from "../crc32c.ts";
import {
  EXTENT_CHECKSUM_OFFSET,
  EXTENT_MAGIC,
  EXTENT_SLOT_BYTES,
  EXTENTS_IN_INODE,
  EXTENTS_PER_BLOCK,
  INODE,
  MAX_EXTENT_BLOCKS,
} from "./format.ts";

/**
 * The extents of one inode, joined where they touch and cut to what a slot can say; used again for the next inode.
 *
 * On disk they are a tree: up to 4 slots in the inode, else blocks of up to 340 slots below it, all at one depth. A slot of
 * a leaf is an extent, a slot above it names a child block and the first logical block below (`ext4_extents.h`).
 */
export class ExtentList {
  count = 0;
  /** Blocks that the extents cover. */
  blocks = 0;
  #logical: Uint32Array = new Uint32Array(64);
  #lengths: Uint16Array = new Uint16Array(64);
  #physical: Float64Array = new Float64Array(64);

  clear(): void {
    this.count = 0;
    this.blocks = 0;
  }

  /** Adds blocks behind those that are there. */
  add(logicalBlock: number, physicalBlock: number, blocks: number): void {
    this.blocks += blocks;
    let logical = logicalBlock;
    let physical = physicalBlock;
    for (let left = blocks; left > 0;) {
      const joined = this.#join(logical, physical, left);
      const taken = joined === 0 ? Math.min(left, MAX_EXTENT_BLOCKS) : joined;
      if (joined === 0) this.#push(logical, physical, taken);
      logical += taken;
      physical += taken;
      left -= taken;
    }
  }

  /** @returns how many of the blocks the last extent took */
  #join(logical: number, physical: number, blocks: number): number {
    const last = this.count - 1;
    if (last < 0) return 0;
    const length = this.#lengths[last]!;
    if (this.#logical[last]! + length !== logical) return 0;
    if (this.#physical[last]! + length !== physical) return 0;
    const taken = Math.min(blocks, MAX_EXTENT_BLOCKS - length);
    this.#lengths[last]! += taken;
    return taken;
  }

  #push(logical: number, physical: number, blocks: number): void {
    if (this.count === this.#lengths.length) this.#grow();
    this.#logical[this.count] = logical;
    this.#physical[this.count] = physical;
    this.#lengths[this.count] = blocks;
    this.count++;
  }

  #grow(): void {
    const logical = this.#logical;
    const lengths = this.#lengths;
    const physical = this.#physical;
    this.#logical = new Uint32Array(this.count * 2);
    this.#logical.set(logical);
    this.#lengths = new Uint16Array(this.count * 2);
    this.#lengths.set(lengths);
    this.#physical = new Float64Array(this.count * 2);
    this.#physical.set(physical);
  }

  /** Writes the slot of one extent. */
  writeSlot(view: DataView, at: number, extent: number): void {
    const physical = this.#physical[extent]!;
    view.setUint32(at, this.#logical[extent]!, true);
    view.setUint16(at + 4, this.#lengths[extent]!, true);
    view.setUint16(at + 6, Math.floor(physical / 2 ** 32), true);
    view.setUint32(at + 8, physical % 2 ** 32, true);
  }

  logicalOf(extent: number): number {
    return this.#logical[extent]!;
  }

  physicalOf(extent: number): number {
    return this.#physical[extent]!;
  }

  lengthOf(extent: number): number {
    return this.#lengths[extent]!;
  }
}

/** Blocks of the tree below an inode with so many extents. */
export function treeBlocksOf(extents: number): number {
  let blocks = 0;
  for (let slots = extents; slots > EXTENTS_IN_INODE;) {
    slots = Math.ceil(slots / EXTENTS_PER_BLOCK);
    blocks += slots;
  }
  return blocks;
}

/** One level of the tree while it is built: the first logical block and the place of each of its nodes. */
interface Level {
  readonly firsts: readonly number[];
  readonly blocks: readonly number[];
}

/** Writes extent trees, bottom up. */
export class ExtentTreeWriter {
  readonly #writer: BlockWriter;
  readonly #allocator: BlockAllocator;

  constructor(writer: BlockWriter, allocator: BlockAllocator) {
    this.#writer = writer;
    this.#allocator = allocator;
  }

  /**
   * Writes the tree's blocks, and its root into the inode that begins at `view`'s offset `inodeAt`.
   * @param seed of the inode's checksums
   */
  write(view: DataView, inodeAt: number, extents: ExtentList, seed: number): void {
    const root = inodeAt + INODE.block;
    const writeLeafSlot = (at: number, extent: number, target: DataView): void =>
      extents.writeSlot(target, at, extent);
    if (extents.count <= EXTENTS_IN_INODE) {
      writeHeader(view, root, { slots: extents.count, room: EXTENTS_IN_INODE, depth: 0 });
      for (let at = 0; at < extents.count; at++) {
        extents.writeSlot(view, root + EXTENT_SLOT_BYTES * (1 + at), at);
      }
      return;
    }
    let depth = 0;
    let level = this.#writeLevel({ slots: extents.count, depth, seed }, writeLeafSlot, (slot) =>
      extents.logicalOf(slot),
    );
    for (depth = 1; level.blocks.length > EXTENTS_IN_INODE; depth++) {
      const below = level;
      level = this.#writeLevel(
        { slots: below.blocks.length, depth, seed },
        (at, slot, target) => writeIndexSlot(target, at, below, slot),
        (slot) => below.firsts[slot]!,
      );
    }
    writeHeader(view, root, { slots: level.blocks.length, room: EXTENTS_IN_INODE, depth });
    for (let at = 0; at < level.blocks.length; at++) {
      writeIndexSlot(view, root + EXTENT_SLOT_BYTES * (1 + at), level, at);
    }
  }

  #writeLevel(
    {
      slots,
      depth,
      seed,
    }: { readonly slots: number; readonly depth: number; readonly seed: number },
    writeSlot: (at: number, slot: number, view: DataView) => void,
    firstBlockOf: (slot: number) => number,
  ): Level {
    const { view, bytes } = this.#writer;
    const firsts: number[] = [];
    const blocks: number[] = [];
    for (let first = 0; first < slots; first += EXTENTS_PER_BLOCK) {
      const count = Math.min(EXTENTS_PER_BLOCK, slots - first);
      const block = this.#allocator.takeOne();
      const start = this.#writer.begin(block);
      writeHeader(view, start, { slots: count, room: EXTENTS_PER_BLOCK, depth });
      for (let at = 0; at < count; at++) {
        writeSlot(start + EXTENT_SLOT_BYTES * (1 + at), first + at, view);
      }
      // Unused slots count too.
      const end = start + EXTENT_CHECKSUM_OFFSET;
      view.setUint32(end, crc32c(seed, bytes, start, end), true);
      firsts.push(firstBlockOf(first));
      blocks.push(block);
    }
    return { firsts, blocks };
  }
}

function writeHeader(
  view: DataView,
  at: number,
  { slots, room, depth }: { readonly slots: number; readonly room: number; readonly depth: number },
): void {
  view.setUint16(at, EXTENT_MAGIC, true);
  view.setUint16(at + 2, slots, true);
  view.setUint16(at + 4, room, true);
  view.setUint16(at + 6, depth, true);
}

function writeIndexSlot(view: DataView, at: number, { firsts, blocks }: Level, slot: number): void {
  const block = blocks[slot]!;
  view.setUint32(at, firsts[slot]!, true);
  view.setUint32(at + 4, block % 2 ** 32, true);
  view.setUint16(at + 8, Math.floor(block / 2 ** 32), true);
}
