/** NaN of nothing. */
export function median(numbers: readonly number[]): number {
  const sorted = numbers.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}

export interface Line {
  readonly slope: number;
  readonly intercept: number;
}

/** The straight line with the least squares; NaN from fewer than two different `x`. */
export function fitLine(points: readonly (readonly [x: number, y: number])[]): Line {
  const meanX = points.reduce((sum, [x]) => sum + x, 0) / points.length;
  const meanY = points.reduce((sum, [, y]) => sum + y, 0) / points.length;
  let above = 0;
  let below = 0;
  for (const [x, y] of points) {
    above += (x - meanX) * (y - meanY);
    below += (x - meanX) ** 2;
  }
  const slope = above / below;
  return { slope, intercept: meanY - slope * meanX };
}

/** The `e` of `y = c · x^e`: 1 grows as its input does, 2 as its square. Values must be positive. */
export function growthExponent(points: readonly (readonly [x: number, y: number])[]): number {
  return fitLine(points.map(([x, y]) => [Math.log(x), Math.log(y)])).slope;
}
