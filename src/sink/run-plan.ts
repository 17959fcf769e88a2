/*
 * Where the streams of the layers lie on the disk. A layer's stream is its bodies one after the other, each from a block
 * boundary on. Streams are cut into runs, and the runs of all layers are dealt over the room before the first byte:
 * weighted by compressed size, for want of a better guess, and whatever worker is faster. So the same layers on the same
 * disk give the same bytes, and no layer waits for another one. What a layer does not use of its runs stays free.
 *
 * Dealing is that of a fair queue: run r of a layer with weight w is due at (r + 1/2) / w, runs lie in the order of their
 * due times, and of two at the same time the lower layer's comes first. A run's place is the number of runs due before it,
 * which is one division for each layer. All arithmetic is on whole numbers below 2^53.
 *
 * A stream that is not dealt takes its room from the beginning: layers placed bottom-up, each where the one below ended.
 */

/** Blocks that follow each other. */
export interface BlockRange {
  readonly first: number;
  readonly blocks: number;
}

/** How the room is dealt, the same for all layers. */
export interface RunDeal {
  /** Blocks of a run. */
  readonly runBlocks: number;
  /** One a layer, 1 to 2^16. */
  readonly weights: Uint32Array;
}

/** Where one stream lies: plain data. */
export interface StreamLayout {
  /** What streams may take, ascending and apart from each other: pairs of first block and number of blocks, read as one row of blocks. */
  readonly room: Float64Array;
  /** Undefined: the stream takes the room from its beginning. */
  readonly deal?: RunDeal & { readonly layer: number };
}

const LARGEST_RUN_BLOCKS = 1024;
const SMALLEST_RUN_BLOCKS = 64;
/** Runs that the room should give each layer on average: fewer, and the end of each one's last run weighs too much. */
const RUNS_PER_LAYER = 16;
/** A layer smaller than the average weighs as much as an 8th of it: what compresses well is often small. */
const LEAST_SHARE_OF_AVERAGE = 8;
const WEIGHT_SCALE = 2 ** 16;

/**
 * Deals a room to layers.
 * @param layerBytes compressed, bottom first
 * @returns undefined when the room has not even a few runs for each layer
 */
export function dealRuns(
  room: readonly BlockRange[],
  layerBytes: readonly number[],
): RunDeal | undefined {
  const layers = layerBytes.length;
  const blocks = room.reduce((sum, range) => sum + range.blocks, 0);
  let runBlocks = LARGEST_RUN_BLOCKS;
  while (runBlocks * RUNS_PER_LAYER * layers > blocks) runBlocks /= 2;
  if (runBlocks < SMALLEST_RUN_BLOCKS) return undefined;
  const total = layerBytes.reduce((sum, bytes) => sum + bytes, 0);
  const least = Math.max(1, total / (LEAST_SHARE_OF_AVERAGE * layers));
  const scale = WEIGHT_SCALE / Math.max(least, ...layerBytes);
  const weights = layerBytes.map((bytes) => Math.ceil(Math.max(bytes, least) * scale));
  return { runBlocks, weights: Uint32Array.from(weights) };
}

export function roomOf(ranges: readonly BlockRange[]): Float64Array {
  return Float64Array.from(ranges.flatMap(({ first, blocks }) => [first, blocks]));
}

/** The number of runs that are due before run `run` of layer `layer`. */
export function placeOfRun(weights: Uint32Array, layer: number, run: number): number {
  const own = weights[layer]!;
  const due = 2 * run + 1;
  let before = run;
  for (let other = 0; other < weights.length; other++) {
    if (other === layer) continue;
    // Runs q of the other with (2q + 1) / weight < due / own; of equal times the lower layer's is first.
    const odd = (due * weights[other]!) / own;
    before +=
      other < layer ? Math.floor((Math.floor(odd) + 1) / 2) : Math.floor(Math.ceil(odd) / 2);
  }
  return before;
}

/** Finds the blocks of the disk for blocks of one stream. */
export class StreamMap {
  /** Blocks of the stream that the disk has room for. */
  readonly capacityBlocks: number;
  readonly #layout: StreamLayout;
  /** Blocks of the room before each of its ranges. */
  readonly #before: Float64Array;
  readonly #runBlocks: number;
  /** Where the runs lie in the room, in blocks; as far as they were asked for. */
  readonly #places: number[] = [];
  /** The range found last: neighbours are asked for one after the other. */
  #range = 0;

  constructor(layout: StreamLayout) {
    this.#layout = layout;
    const { room, deal } = layout;
    this.#before = new Float64Array(room.length / 2);
    let blocks = 0;
    for (let range = 0; 2 * range < room.length; range++) {
      this.#before[range] = blocks;
      blocks += room[2 * range + 1]!;
    }
    this.#runBlocks = deal?.runBlocks ?? Math.max(1, blocks);
    this.capacityBlocks = deal === undefined ? blocks : runsWithin(deal, blocks) * deal.runBlocks;
  }

  /** Calls `visit` for each run of blocks on the disk that `blocks` blocks from `first` on lie in, in their order. */
  extents(
    first: number,
    blocks: number,
    visit: (physicalBlock: number, blocks: number) => void,
  ): void {
    const end = first + blocks;
    if (end > this.capacityBlocks) throw new RangeError(`block ${end} of a stream has no place`);
    const { room } = this.#layout;
    for (let at = first; at < end;) {
      const inRun = at % this.#runBlocks;
      const place = this.#placeOf((at - inRun) / this.#runBlocks) + inRun;
      const range = this.#rangeOf(place);
      const offset = place - this.#before[range]!;
      const count = Math.min(end - at, this.#runBlocks - inRun, room[2 * range + 1]! - offset);
      visit(room[2 * range]! + offset, count);
      at += count;
    }
  }

  #placeOf(run: number): number {
    const { deal } = this.#layout;
    if (deal === undefined) return 0;
    for (let next = this.#places.length; next <= run; next++) {
      this.#places.push(placeOfRun(deal.weights, deal.layer, next) * deal.runBlocks);
    }
    return this.#places[run]!;
  }

  #rangeOf(place: number): number {
    const before = this.#before;
    if (place < before[this.#range]!) this.#range = 0;
    while (this.#range + 1 < before.length && before[this.#range + 1]! <= place) this.#range += 1;
    return this.#range;
  }
}

/** How many runs of the layer lie in the first `blocks` blocks of the room as a whole. */
function runsWithin(deal: NonNullable<StreamLayout["deal"]>, blocks: number): number {
  const places = Math.floor(blocks / deal.runBlocks);
  let fit = 0;
  let beyond = places + 1;
  while (beyond - fit > 1) {
    const middle = Math.floor((fit + beyond) / 2);
    if (placeOfRun(deal.weights, deal.layer, middle - 1) < places) fit = middle;
    else beyond = middle;
  }
  return fit;
}
