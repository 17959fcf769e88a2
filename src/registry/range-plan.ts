const MIB = 2 ** 20;

/** When one connection a layer is too few, and what more of them may cost. */
export interface RangeSettings {
  /** Smaller layers have one connection. */
  readonly minLayerBytes: number;
  /** The most that one extra request asks for. */
  readonly chunkBytes: number;
  /** The least, near the end of a layer, where what is left is spread over the connections. */
  readonly minChunkBytes: number;
  /** Of one layer, the first stream included. */
  readonly mostConnections: number;
  /** Of all chunks of all layers that are held or under way. */
  readonly budgetBytes: number;
  /** How often the clocks are looked at. */
  readonly tickMs: number;
  /** How long, and over how many bytes at least, a rate is measured. */
  readonly measureMs: number;
  readonly measureBytes: number;
  /** What new connections take to come up to speed, and how long it is then measured whether they were worth it. */
  readonly settleMs: number;
  readonly judgeMs: number;
  /** Slower than so many times the median, and what is left of a chunk is asked for again. */
  readonly hedgeFactor: number;
}

/**
 * Others ask for 8 to 16 MiB at a time (soci-snapshotter, containerd). 4 MiB are as fast over eight connections, and take half the
 * memory: what is received out of order is held.
 */
export const DEFAULT_RANGES: RangeSettings = {
  minLayerBytes: 32 * MIB,
  chunkBytes: 4 * MIB,
  minChunkBytes: MIB,
  mostConnections: 8,
  budgetBytes: 48 * MIB,
  tickMs: 50,
  measureMs: 250,
  measureBytes: MIB / 2,
  settleMs: 500,
  judgeMs: 1000,
  hedgeFactor: 3,
};

/** A connection as fast as this outruns one thread that inflates. */
const FAST_CONNECTION_BYTES = 100e6;
/** At least twice the speed is there to be had. */
const IDLE_SHARE = 0.5;
/** Below this, more connections share what one had: the line is full, or the host counts bytes and not connections. */
const LEAST_GAIN = 1.2;
/** So many of the smallest chunks are left at least. */
const LEAST_CHUNKS = 4;

/** Readings of counters at one moment. */
export interface RangeSample {
  readonly atMs: number;
  /** Received for the layer so far, over all its connections. */
  readonly receivedBytes: number;
  /** How long the layer's consumer has had nothing to do so far. */
  readonly idleMs: number;
  /** Open for the layer now. */
  readonly connections: number;
  /** Not received yet. */
  readonly leftBytes: number;
}

export interface RangePlan {
  /** As many connections as the layer should have. */
  readonly connections: number;
  /** More were tried, and brought as much as they can. */
  readonly settled: boolean;
  /** The measurement under way; none before the layer's first byte, nor while new connections come up to speed. */
  readonly from?: RangeSample;
  readonly notBeforeMs?: number;
  /** What the layer had before it got more connections; until that is judged. */
  readonly before?: { readonly connections: number; readonly bytesPerSecond: number };
}

export const ONE_CONNECTION: RangePlan = { connections: 1, settled: false };

/**
 * How many connections a layer should have. More, only when its consumer idles: when the decoder is the wall, they would only
 * fill memory. Fewer again, when more did not make it faster. Pure: time comes with the sample.
 */
export function planConnections(
  plan: RangePlan,
  sample: RangeSample,
  settings: RangeSettings,
): RangePlan {
  if (plan.settled || sample.receivedBytes === 0) return plan;
  const { from, notBeforeMs = 0 } = plan;
  if (from === undefined) return sample.atMs < notBeforeMs ? plan : { ...plan, from: sample };
  const tookMs = sample.atMs - from.atMs;
  const bytes = sample.receivedBytes - from.receivedBytes;
  const leastMs = plan.before === undefined ? settings.measureMs : settings.judgeMs;
  if (tookMs < leastMs || bytes < settings.measureBytes) return plan;
  const bytesPerSecond = (bytes * 1000) / tookMs;
  const idleShare = Math.min(1, (sample.idleMs - from.idleMs) / tookMs);
  const measured = { ...sample, bytesPerSecond, idleShare };
  return judgedGrowth(plan, measured) ?? grown(plan, measured, settings);
}

type Measured = RangeSample & { readonly bytesPerSecond: number; readonly idleShare: number };

/** What the new connections brought; `undefined`: nothing to judge, or they were worth it. */
function judgedGrowth(plan: RangePlan, measured: Measured): RangePlan | undefined {
  const { before } = plan;
  const { connections, idleShare, bytesPerSecond } = measured;
  if (before === undefined || idleShare < IDLE_SHARE) return undefined;
  // No slot was free, or no memory.
  if (connections <= before.connections) return { ...plan, from: measured };
  const gain = bytesPerSecond / before.bytesPerSecond;
  if (gain < LEAST_GAIN) return { connections: before.connections, settled: true };
  // A line that is full with three connections needs no eight.
  const enough = Math.ceil(before.connections * gain * 2);
  return enough < connections ? { connections: enough, settled: true } : undefined;
}

function grown(plan: RangePlan, measured: Measured, settings: RangeSettings): RangePlan {
  const { atMs, connections, leftBytes, idleShare, bytesPerSecond } = measured;
  const stay = { connections: plan.connections, settled: false, from: measured };
  const fast = bytesPerSecond / Math.max(1, connections) >= FAST_CONNECTION_BYTES;
  if (idleShare < IDLE_SHARE || fast || leftBytes < LEAST_CHUNKS * settings.minChunkBytes) {
    return stay;
  }
  const busyShare = Math.max(1 - idleShare, 1 / settings.mostConnections);
  const wanted = Math.min(settings.mostConnections, Math.ceil(connections / busyShare));
  if (wanted <= plan.connections) return stay;
  return {
    connections: wanted,
    settled: false,
    notBeforeMs: atMs + settings.settleMs,
    before: { connections, bytesPerSecond },
  };
}

export interface Region {
  readonly startByte: number;
  /** Exclusive. */
  readonly endByte: number;
}

export interface RegionFacts {
  /** What is asked for already, in order, without overlaps. */
  readonly taken: readonly Region[];
  /** Nothing before this is asked for. */
  readonly fromByte: number;
  readonly sizeBytes: number;
  readonly connections: number;
}

/** What the next extra request asks for: the first gap that is worth one. Pure. */
export function nextRegion(facts: RegionFacts, settings: RangeSettings): Region | undefined {
  const { taken, fromByte, sizeBytes } = facts;
  let startByte = fromByte;
  for (const { startByte: gapEnd, endByte } of [
    ...taken,
    { startByte: sizeBytes, endByte: sizeBytes },
  ]) {
    // A smaller gap is left to the stream that reads on when nobody else has; but not that at the end.
    const least = gapEnd === sizeBytes ? 1 : settings.minChunkBytes;
    if (gapEnd - startByte >= least) {
      const endAt = startByte + chunkBytes(sizeBytes - startByte, facts.connections, settings);
      return { startByte, endByte: Math.min(gapEnd, endAt) };
    }
    startByte = Math.max(startByte, endByte);
  }
  return undefined;
}

/** How much one request asks for, so that what is left ends at the same time on all connections. */
export function chunkBytes(
  leftBytes: number,
  connections: number,
  { chunkBytes: most, minChunkBytes }: RangeSettings,
): number {
  const share = Math.ceil(leftBytes / Math.max(1, connections));
  const bytes = Math.min(most, Math.max(minChunkBytes, share));
  // No crumbs for a last request.
  return leftBytes <= most && leftBytes - bytes < minChunkBytes ? leftBytes : bytes;
}

/** Whether a chunk is so late that the rest of it is asked for again. */
export function isLate(
  ageMs: number,
  finishedMs: readonly number[],
  { hedgeFactor, measureMs }: RangeSettings,
): boolean {
  const median = finishedMs.toSorted((a, b) => a - b)[Math.floor(finishedMs.length / 2)];
  return median !== undefined && ageMs > Math.max(measureMs, hedgeFactor * median);
}
