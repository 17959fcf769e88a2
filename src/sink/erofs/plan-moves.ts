import { visitMoves, type BlockMoves } from "../block-moves.ts";
import type { BlockUsage } from "../block-usage.ts";
import type { BodyMap, Extent } from "../body-map.ts";
import type { BlockRange } from "../run-plan.ts";

/** Free runs shorter than this, 64 KiB, stay holes: filling them would cut files into crumbs. */
const SMALLEST_GAP_BLOCKS = 16;
/** Blocks that are asked for free runs at once, so that no list is as long as a hostile image likes. */
const WINDOW_BLOCKS = 1 << 20;

/**
 * Fills the gaps between bodies with the bodies that lie last, so that the image has hardly any holes: what layers did not
 * use of their runs, and what other layers deleted. The fewest blocks that make it dense move, in their order.
 * @param end past the last block of any body
 */
export function planMoves(usage: BlockUsage, end: number): BlockMoves {
  const gaps: BlockRange[] = [];
  let free = 0;
  /** By gap: blocks in use below it. */
  const usedBelow: number[] = [];
  for (const gap of freeRuns(usage, 1, end)) {
    if (gap.blocks >= SMALLEST_GAP_BLOCKS) {
      gaps.push(gap);
      usedBelow.push(gap.first - 1 - free);
    }
    free += gap.blocks;
  }
  const newEnd = denseEnd(gaps, usedBelow, { end, used: end - 1 - free });
  return movesBehind(usage, gaps, { newEnd, end });
}

/** Where bodies can end: the lowest block with as many blocks in gaps below it as there are blocks in use behind it. */
function denseEnd(
  gaps: readonly BlockRange[],
  usedBelow: readonly number[],
  { end, used }: { readonly end: number; readonly used: number },
): number {
  let room = 0;
  for (let at = 0; at <= gaps.length; at++) {
    const gap = gaps[at] ?? { first: end, blocks: 0 };
    const usedBehind = used - (usedBelow[at] ?? used);
    if (room >= usedBehind) {
      const previous = gaps[at - 1];
      const start = previous === undefined ? 1 : previous.first + previous.blocks;
      return Math.max(start, gap.first - (room - usedBehind));
    }
    if (room + gap.blocks >= usedBehind) return gap.first + (usedBehind - room);
    room += gap.blocks;
  }
  return end;
}

function movesBehind(
  usage: BlockUsage,
  gaps: readonly BlockRange[],
  { newEnd, end }: { readonly newEnd: number; readonly end: number },
): BlockMoves {
  const from: number[] = [];
  const to: number[] = [];
  const blocks: number[] = [];
  let gap = 0;
  let taken = 0;
  for (const run of usedRuns(usage, newEnd, end)) {
    for (let moved = 0; moved < run.blocks;) {
      const target = gaps[gap]!;
      const count = Math.min(run.blocks - moved, target.blocks - taken);
      from.push(run.first + moved);
      to.push(target.first + taken);
      blocks.push(count);
      moved += count;
      taken += count;
      if (taken < target.blocks) continue;
      gap++;
      taken = 0;
    }
  }
  return {
    from: Uint32Array.from(from),
    to: Uint32Array.from(to),
    blocks: Uint32Array.from(blocks),
    end: newEnd,
  };
}

/** The runs of blocks in `[first, end)` that nothing takes, ascending and apart from each other. */
export function* freeRuns(usage: BlockUsage, first: number, end: number): Generator<BlockRange> {
  let open: BlockRange | undefined;
  for (let at = first; at < end; at += WINDOW_BLOCKS) {
    const window = { first: at, blocks: Math.min(WINDOW_BLOCKS, end - at) };
    for (const run of usage.freeRuns(window)) {
      if (open !== undefined && open.first + open.blocks === run.first) {
        open = { first: open.first, blocks: open.blocks + run.blocks };
        continue;
      }
      if (open !== undefined) yield open;
      open = run;
    }
  }
  if (open !== undefined) yield open;
}

function* usedRuns(usage: BlockUsage, first: number, end: number): Generator<BlockRange> {
  let at = first;
  for (const gap of freeRuns(usage, first, end)) {
    if (gap.first > at) yield { first: at, blocks: gap.first - at };
    at = gap.first + gap.blocks;
  }
  if (at < end) yield { first: at, blocks: end - at };
}

/** Where the bodies lie after the moves. */
export function movedBodies(bodies: BodyMap, moves: BlockMoves): BodyMap {
  if (moves.from.length === 0) return bodies;
  return {
    extentsOf: (body, sizeBytes) =>
      bodies.extentsOf(body, sizeBytes).flatMap((extent) => movedExtents(extent, moves)),
  };
}

function movedExtents(extent: Extent, moves: BlockMoves): readonly Extent[] {
  const { end } = moves;
  const { logicalBlock, physicalBlock } = extent;
  if (physicalBlock + extent.blocks <= end) return [extent];
  const parts: Extent[] = [];
  const staying = Math.max(0, end - physicalBlock);
  if (staying > 0) parts.push({ ...extent, blocks: staying });
  const moving = { first: physicalBlock + staying, blocks: extent.blocks - staying };
  visitMoves(moves, moving, ({ to, offset, blocks }) => {
    parts.push({ logicalBlock: logicalBlock + staying + offset, physicalBlock: to, blocks });
  });
  return parts;
}
