import { dealRuns, type BlockRange, type RunDeal } from "../run-plan.ts";
import { MOST_BLOCKS } from "./format.ts";

/** Half a TiB, for metadata: more than a thousand million inodes. */
const METADATA_BLOCKS = 2 ** 27;
/** All that bodies may lie on: the image becomes as large as it has to be. */
const ROOM: readonly BlockRange[] = [{ first: 1, blocks: MOST_BLOCKS - 1 - METADATA_BLOCKS }];

/**
 * Where the layers of an image may lie, and how: dealt the longest runs, whose gaps are filled afterwards, or one behind the
 * other. A layer alone lies in one piece.
 * @param bottomUp not dealt in any case: a deal was tried, and did not hold
 */
export function placingRoom(
  layerBytes: readonly number[],
  bottomUp: boolean,
): { readonly deal: RunDeal | undefined; readonly room: readonly BlockRange[] } {
  const isDealt = !bottomUp && layerBytes.length > 1;
  return { deal: isDealt ? dealRuns(ROOM, layerBytes) : undefined, room: ROOM };
}
