import type { BlockRange } from "./run-plan.ts";

/** Which blocks of bodies go where: ascending in both columns, and no block is in two of them. */
export interface BlockMoves {
  readonly from: Uint32Array;
  readonly to: Uint32Array;
  readonly blocks: Uint32Array;
  /** Past the last block of any body afterwards: all in use from here on is in `from`, and `to` lies before. */
  readonly end: number;
}

/** Blocks that one move takes along. */
export interface MovedPart {
  readonly to: number;
  /** In the range asked for. */
  readonly offset: number;
  readonly blocks: number;
}

/** Calls `visit` for each part of a range of blocks, all of which move. */
export function visitMoves(
  { from, to, blocks }: BlockMoves,
  range: BlockRange,
  visit: (part: MovedPart) => void,
): void {
  let move = lastAtOrBefore(from, range.first);
  for (let offset = 0; offset < range.blocks; move++) {
    const inMove = range.first + offset - from[move]!;
    const count = Math.min(range.blocks - offset, blocks[move]! - inMove);
    visit({ to: to[move]! + inMove, offset, blocks: count });
    offset += count;
  }
}

function lastAtOrBefore(firsts: Uint32Array, block: number): number {
  let low = 0;
  let high = firsts.length;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (firsts[middle]! <= block) low = middle;
    else high = middle;
  }
  return low;
}
