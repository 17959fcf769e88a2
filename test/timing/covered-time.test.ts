import fc from "fast-check";
import { expect, test } from "vitest";
import { CoveredTime } from "../../src/timing/covered-time.ts";

const span = fc
  .tuple(fc.nat(200), fc.nat(30))
  .map(([start, length]): readonly [number, number] => [start, start + length]);

test("time that several intervals cover counts once, whatever they look like", () => {
  fc.assert(
    fc.property(fc.array(span, { maxLength: 40 }), (spans) => {
      const covered = new CoveredTime();
      for (const [start, end] of spans.toSorted((a, b) => a[1] - b[1])) covered.add(start, end);
      const ticks = new Set<number>();
      for (const [start, end] of spans) for (let at = start; at < end; at++) ticks.add(at);
      expect(covered.totalMs).toBe(ticks.size);
    }),
  );
});
