import type { BlockPlacement, BlockPlacerPlan } from "../block-placement.ts";
import { firstBodyOf } from "../body-ref.ts";
import { dealRuns, roomOf, StreamMap, type RunDeal, type StreamLayout } from "../run-plan.ts";
import type { LayerOrder } from "../sink.ts";
import type { PlacedLayer } from "./body-map.ts";
import { BLOCK_BYTES } from "./format.ts";
import { journalBlocksOf, usableRanges, type BlockRange, type Ext4Geometry } from "./geometry.ts";

/**
 * Room for the layers, as a multiple of their compressed size, from which on they are dealt runs side by side. Images
 * unpack to three times their size on average; with twice that, a layer may be twice as large as its share says.
 */
const DEALT_EXPANSION = 6;
/** `mke2fs` gives inode tables a 64th of the disk; a further part is for directories and the like. */
const METADATA_SHARE = 48;

interface PlacingPlan extends Omit<PlacedLayer, "placement"> {
  readonly layer: number;
}

/**
 * Which blocks the streams of an image's layers take: dealt by a plan where the disk is large enough, else one behind the
 * other. Knows afterwards what was placed where.
 */
export class StreamPlacing {
  readonly order: LayerOrder;
  readonly #geometry: Ext4Geometry;
  readonly #imagePath: string;
  readonly #deal: RunDeal | undefined;
  /** Dealt: what is dealt. Else: all that bodies may lie on. */
  readonly #room: readonly BlockRange[];
  /** Of each layer: blocks of its stream that any attempt may have written (`BlockPlacerPlan.written`). */
  readonly #written: readonly Uint32Array[];
  readonly #plans: PlacingPlan[] = [];
  /** By layer, its last plan. */
  readonly #placed = new Map<number, PlacedLayer>();
  /** Blocks of the room that layers placed bottom-up have taken. */
  #taken = 0;

  /** @param bottomUp not dealt in any case: a deal was tried, and did not hold */
  constructor(
    image: {
      readonly imagePath: string;
      readonly geometry: Ext4Geometry;
      readonly layerBytes: readonly number[];
    },
    bottomUp = false,
  ) {
    const { geometry, layerBytes } = image;
    this.#geometry = geometry;
    this.#imagePath = image.imagePath;
    const dealtRoom = roomForDeal(geometry);
    this.#deal =
      bottomUp || !holds(dealtRoom, layerBytes) ? undefined : dealRuns(dealtRoom, layerBytes);
    this.order = this.#deal === undefined ? "bottom-up" : "largest-first";
    this.#room = this.#deal === undefined ? usableRanges(geometry) : dealtRoom;
    this.#written = layerBytes.map(() => new Uint32Array(new SharedArrayBuffer(4)));
  }

  planOf(layer: number): BlockPlacerPlan {
    const plan = this.#plans.length;
    const layout = this.#layoutOf(layer);
    this.#plans.push({ plan, layer, layout });
    return {
      kind: "blocks",
      layer,
      imagePath: this.#imagePath,
      firstBody: firstBodyOf(plan),
      layout,
      written: this.#written[layer]!,
    };
  }

  placed(layer: number, placement: BlockPlacement): void {
    const plan = this.#plans.findLast((candidate) => candidate.layer === layer);
    if (plan === undefined) throw new Error(`layer ${layer} was placed without a plan`);
    this.#placed.set(layer, { plan: plan.plan, layout: plan.layout, placement });
    if (this.#deal === undefined) this.#taken += placement.blocks;
  }

  get layers(): readonly PlacedLayer[] {
    return [...this.#placed.values()];
  }

  /** Blocks of all streams, when they are more than the disk has: then some of them were counted only. */
  get overflow(): number | undefined {
    return this.#deal === undefined && this.#taken > blocksOf(this.#room) ? this.#taken : undefined;
  }

  /** The layers as they would lie if the disk went on, so that what they need can be counted. */
  get layersBeyond(): readonly PlacedLayer[] {
    const room = blocksOf(this.#room);
    let taken = 0;
    return this.layers.map((layer) => {
      const first = this.#geometry.blocks + Math.max(0, taken - room);
      taken += layer.placement.blocks;
      const beyond = Float64Array.from([...layer.layout.room, first, layer.placement.blocks]);
      return { ...layer, layout: { room: beyond } };
    });
  }

  /** Past the last block of any layer. */
  get firstFreeBlock(): number {
    let free = this.#room[0]?.first ?? 0;
    for (const { layout, placement } of this.layers) {
      const map = new StreamMap(layout);
      const blocks = Math.min(placement.blocks, map.capacityBlocks);
      if (blocks > 0) map.extents(blocks - 1, 1, (block) => (free = Math.max(free, block + 1)));
    }
    return free;
  }

  /** What only attempts that failed have written. */
  get leftovers(): readonly BlockRange[] {
    const ranges: BlockRange[] = [];
    for (const [layer, { layout, placement }] of this.#placed) {
      const count = this.#written[layer]![0]! - placement.blocks;
      if (count <= 0) continue;
      new StreamMap(layout).extents(placement.blocks, count, (first, blocks) => {
        ranges.push({ first, blocks });
      });
    }
    return ranges;
  }

  #layoutOf(layer: number): StreamLayout {
    if (this.#deal !== undefined)
      return { room: roomOf(this.#room), deal: { ...this.#deal, layer } };
    return { room: roomOf(withoutFirst(this.#room, this.#taken)) };
  }
}

/** The end of the disk is for the metadata, whose tables want to lie in one piece. */
function roomForDeal(geometry: Ext4Geometry): readonly BlockRange[] {
  const { blocks, groups } = geometry;
  const reserve = journalBlocksOf(blocks) + 2 * groups + Math.ceil(blocks / METADATA_SHARE);
  return usableRanges(geometry, 0, Math.max(0, blocks - reserve));
}

function holds(room: readonly BlockRange[], layerBytes: readonly number[]): boolean {
  const bytes = layerBytes.reduce((sum, layer) => sum + layer, 0);
  return layerBytes.length > 0 && bytes * DEALT_EXPANSION <= blocksOf(room) * BLOCK_BYTES;
}

function blocksOf(room: readonly BlockRange[]): number {
  return room.reduce((sum, { blocks }) => sum + blocks, 0);
}

function withoutFirst(room: readonly BlockRange[], blocks: number): readonly BlockRange[] {
  const rest: BlockRange[] = [];
  let left = blocks;
  for (const range of room) {
    const taken = Math.min(left, range.blocks);
    left -= taken;
    if (taken < range.blocks) {
      rest.push({ first: range.first + taken, blocks: range.blocks - taken });
    }
  }
  return rest;
}
