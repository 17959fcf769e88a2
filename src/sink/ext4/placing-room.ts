import { dealRuns, type BlockRange, type RunDeal } from "../run-plan.ts";
import { BLOCK_BYTES } from "./format.ts";
import { journalBlocksOf, usableRanges, type Ext4Geometry } from "./geometry.ts";

/**
 * Room for the layers, as a multiple of their compressed size, from which on they are dealt runs side by side. Images
 * unpack to three times their size on average; with twice that, a layer may be twice as large as its share says.
 */
const DEALT_EXPANSION = 6;
/** `mke2fs` gives inode tables a 64th of the disk; a further part is for directories and the like. */
const METADATA_SHARE = 48;

/** Where the layers of an image may lie, and how: dealt where the disk is large enough, else one behind the other. */
export interface PlacingRoom {
  readonly deal: RunDeal | undefined;
  readonly room: readonly BlockRange[];
}

/** @param bottomUp not dealt in any case: a deal was tried, and did not hold */
export function placingRoom(
  geometry: Ext4Geometry,
  layerBytes: readonly number[],
  bottomUp: boolean,
): PlacingRoom {
  const dealt = roomForDeal(geometry);
  const deal = bottomUp || !holds(dealt, layerBytes) ? undefined : dealRuns(dealt, layerBytes);
  return { deal, room: deal === undefined ? usableRanges(geometry) : dealt };
}

/** The end of the disk is for the metadata, whose tables want to lie in one piece. */
function roomForDeal(geometry: Ext4Geometry): readonly BlockRange[] {
  const { blocks, groups } = geometry;
  const reserve = journalBlocksOf(blocks) + 2 * groups + Math.ceil(blocks / METADATA_SHARE);
  return usableRanges(geometry, 0, Math.max(0, blocks - reserve));
}

function holds(room: readonly BlockRange[], layerBytes: readonly number[]): boolean {
  const bytes = layerBytes.reduce((sum, layer) => sum + layer, 0);
  const roomBlocks = room.reduce((sum, { blocks }) => sum + blocks, 0);
  return layerBytes.length > 0 && bytes * DEALT_EXPANSION <= roomBlocks * BLOCK_BYTES;
}
