import type { BlockPlacement, BlockPlacerPlan } from "./block-placement.ts";
import type { PlacedLayer } from "./body-map.ts";
import { firstBodyOf } from "./body-ref.ts";
import { roomOf, StreamMap, type BlockRange, type RunDeal, type StreamLayout } from "./run-plan.ts";
import type { LayerOrder } from "./sink.ts";

export interface PlacingOptions {
  readonly imagePath: string;
  /** How many layers there are. */
  readonly layers: number;
  /** Undefined: layers are placed bottom-up, one behind the other. */
  readonly deal: RunDeal | undefined;
  /** What is dealt; or, where nothing is, all that bodies may lie on. */
  readonly room: readonly BlockRange[];
}

interface PlacingPlan extends Omit<PlacedLayer, "placement"> {
  readonly layer: number;
}

/**
 * Which blocks the streams of an image's layers take: dealt by a plan where the disk is large enough, else one behind the
 * other. Knows afterwards what was placed where.
 */
export class StreamPlacing {
  readonly order: LayerOrder;
  readonly #options: PlacingOptions;
  /** Of each layer: blocks of its stream that any attempt may have written (`BlockPlacerPlan.written`). */
  readonly #written: readonly Uint32Array[];
  readonly #plans: PlacingPlan[] = [];
  /** By layer, its last plan. */
  readonly #placed = new Map<number, PlacedLayer>();
  /** Blocks of the room that layers placed bottom-up have taken. */
  #taken = 0;

  constructor(options: PlacingOptions) {
    this.#options = options;
    this.order = options.deal === undefined ? "bottom-up" : "largest-first";
    this.#written = Array.from(
      { length: options.layers },
      () => new Uint32Array(new SharedArrayBuffer(4)),
    );
  }

  planOf(layer: number): BlockPlacerPlan {
    const plan = this.#plans.length;
    const layout = this.#layoutOf(layer);
    this.#plans.push({ plan, layer, layout });
    return {
      kind: "blocks",
      layer,
      imagePath: this.#options.imagePath,
      firstBody: firstBodyOf(plan),
      layout,
      written: this.#written[layer]!,
    };
  }

  placed(layer: number, placement: BlockPlacement): void {
    const plan = this.#plans.findLast((candidate) => candidate.layer === layer);
    if (plan === undefined) throw new Error(`layer ${layer} was placed without a plan`);
    this.#placed.set(layer, { plan: plan.plan, layout: plan.layout, placement });
    if (this.#options.deal === undefined) this.#taken += placement.blocks;
  }

  get layers(): readonly PlacedLayer[] {
    return [...this.#placed.values()];
  }

  /** Blocks of all streams, when they are more than the disk has: then some of them were counted only. */
  get overflow(): number | undefined {
    return this.#options.deal === undefined && this.#taken > blocksOf(this.#options.room)
      ? this.#taken
      : undefined;
  }

  /**
   * The layers as they would lie if the disk went on, so that what they need can be counted.
   * @param endBlock of the disk
   */
  layersBeyond(endBlock: number): readonly PlacedLayer[] {
    const room = blocksOf(this.#options.room);
    let taken = 0;
    return this.layers.map((layer) => {
      const first = endBlock + Math.max(0, taken - room);
      taken += layer.placement.blocks;
      const beyond = Float64Array.from([...layer.layout.room, first, layer.placement.blocks]);
      return { ...layer, layout: { room: beyond } };
    });
  }

  /** Past the last block of any layer. */
  get firstFreeBlock(): number {
    let free = this.#options.room[0]?.first ?? 0;
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
    if (this.#options.deal !== undefined)
      return { room: roomOf(this.#options.room), deal: { ...this.#options.deal, layer } };
    return { room: roomOf(withoutFirst(this.#options.room, this.#taken)) };
  }
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
