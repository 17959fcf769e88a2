import { fitLine, growthExponent } from "../report/statistics.ts";

export interface MeasuredPoint {
  readonly entries: number;
  readonly layers: number;
  /** Medians. */
  readonly wallSeconds: number;
  readonly peakRssBytes: number;
}

/** Below this, the start of the process is most of the time, and says nothing about growth. */
const FEWEST_ENTRIES = 10_000;

/** What the entries of an image cost, in lines to be read. */
export function entryGrowth(points: readonly MeasuredPoint[]): readonly string[] {
  const large = points.filter(({ entries }) => entries >= FEWEST_ENTRIES);
  const fitted = large.length > 1 ? large : points;
  if (fitted.length < 2) return [];
  const from = Math.min(...fitted.map(({ entries }) => entries));
  const exponent = growthExponent(fitted.map((point) => [point.entries, point.wallSeconds]));
  const memory = fitLine(points.map((point) => [point.entries, point.peakRssBytes]));
  return [
    `time grows as entries^${exponent.toFixed(2)}, from ${from} entries on`,
    ...points.slice(1).map((point, at) => {
      const before = points[at] ?? point;
      const [more, longer] = [
        point.entries / before.entries,
        point.wallSeconds / before.wallSeconds,
      ];
      return `${point.entries} entries against ${before.entries}: ${more.toFixed(1)}× the entries, ${longer.toFixed(1)}× the time`;
    }),
    `peak RSS grows by ${memory.slope.toFixed(0)} B an entry, from ${(memory.intercept / 2 ** 20).toFixed(0)} MiB`,
  ];
}

/** What it costs that the same entries lie in more layers. */
export function layerGrowth(points: readonly MeasuredPoint[]): readonly string[] {
  if (points.length < 2) return [];
  const exponent = growthExponent(points.map((point) => [point.layers, point.wallSeconds]));
  const memory = fitLine(points.map((point) => [point.layers, point.peakRssBytes]));
  return [
    `time grows as layers^${exponent.toFixed(2)}, the entries being as many`,
    `peak RSS grows by ${(memory.slope / 2 ** 10).toFixed(0)} KiB a layer`,
  ];
}
