import { BLOCK_BYTES } from "../block-placement.ts";
import { dealRuns, type BlockRange, type RunDeal } from "../run-plan.ts";
import { MOST_BLOCKS } from "./format.ts";

/** Images unpack to three times their size on average, some layers to much more. Decides how long runs are. */
const USUAL_EXPANSION = 6;
/** Half a TiB, for metadata: more than ten thousand million inodes. */
const METADATA_BLOCKS = 2 ** 27;
/** All that bodies may lie on: the image becomes as large as it has to be. */
const ROOM: readonly BlockRange[] = [{ first: 1, blocks: MOST_BLOCKS - 1 - METADATA_BLOCKS }];

/**
 * Where the layers of an image may lie, and how: dealt runs, or one behind the other. One layer lies in one piece, and so do
 * all when they are so small that runs would be shorter than many files.
 * @param bottomUp not dealt in any case: a deal was tried, and did not hold
 */
export function placingRoom(
  layerBytes: readonly number[],
  bottomUp: boolean,
): { readonly deal: RunDeal | undefined; readonly room: readonly BlockRange[] } {
  if (bottomUp || layerBytes.length < 2) return { deal: undefined, room: ROOM };
  const bytes = layerBytes.reduce((sum, layer) => sum + layer, 0);
  const likely = { first: 1, blocks: Math.ceil((bytes * USUAL_EXPANSION) / BLOCK_BYTES) };
  return { deal: dealRuns([likely], layerBytes), room: ROOM };
}
