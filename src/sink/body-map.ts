import { BLOCK_BYTES, type BlockPlacement } from "./block-placement.ts";
import { hasHoles, numberOf, planOf } from "./body-ref.ts";
import { StreamMap, type StreamLayout } from "./run-plan.ts";
import type { BodyRef } from "./sink.ts";

/** Blocks of a file that follow each other on the disk. A hole is what no extent covers. */
export interface Extent {
  /** Block of the file. */
  readonly logicalBlock: number;
  /** Block of the disk. */
  readonly physicalBlock: number;
  readonly blocks: number;
}

/** Where the placed bodies lie. */
export interface BodyMap {
  /** The extents of one body, ascending by `logicalBlock`, of any length; those that touch need not be joined. */
  extentsOf(body: BodyRef, sizeBytes: number): readonly Extent[];
}

/** A layer whose bytes were verified, and where its stream lies. */
export interface PlacedLayer {
  /** Number of the placer plan: bodies carry it. */
  readonly plan: number;
  readonly layout: StreamLayout;
  readonly placement: BlockPlacement;
}

export function createBodyMap(layers: readonly PlacedLayer[]): BodyMap {
  const streams = new Map(
    layers.map(({ plan, layout, placement }) => [plan, new Stream(layout, placement)]),
  );
  return {
    extentsOf: (body, sizeBytes) => {
      const stream = streams.get(planOf(body));
      if (stream === undefined) throw new Error(`no layer has placed body ${body}`);
      return stream.extentsOf(body, sizeBytes);
    },
  };
}

class Stream {
  readonly #map: StreamMap;
  readonly #placement: BlockPlacement;

  constructor(layout: StreamLayout, placement: BlockPlacement) {
    this.#map = new StreamMap(layout);
    this.#placement = placement;
  }

  extentsOf(body: BodyRef, sizeBytes: number): readonly Extent[] {
    const extents: Extent[] = [];
    if (!hasHoles(body)) {
      this.#add(extents, 0, numberOf(body), Math.ceil(sizeBytes / BLOCK_BYTES));
      return extents;
    }
    const { firstBlocks, ends, segments } = this.#placement.sparse;
    const number = numberOf(body);
    let streamBlock = firstBlocks[number]!;
    for (let at = number === 0 ? 0 : ends[number - 1]!; at < ends[number]!; at++) {
      const blocks = segments[2 * at + 1]!;
      this.#add(extents, segments[2 * at]!, streamBlock, blocks);
      streamBlock += blocks;
    }
    return extents;
  }

  #add(extents: Extent[], logicalBlock: number, streamBlock: number, blocks: number): void {
    let logical = logicalBlock;
    this.#map.extents(streamBlock, blocks, (physicalBlock, count) => {
      extents.push({ logicalBlock: logical, physicalBlock, blocks: count });
      logical += count;
    });
  }
}
