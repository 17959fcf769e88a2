import fc from "fast-check";
import { expect, test } from "vitest";
import { cutAtZeroWindows, isZero, ZERO_WINDOW } from "../../src/sink/zero-window.ts";

/** Runs of zeros and of other bytes, around the size of a window. */
const chunkRuns = fc.array(
  fc.record({ isZero: fc.boolean(), length: fc.integer({ min: 1, max: 2 * ZERO_WINDOW }) }),
  { maxLength: 4 },
);
const startInFile = fc.integer({ min: 0, max: 3 * ZERO_WINDOW });

interface Range {
  readonly kind: "data" | "hole";
  readonly start: number;
  readonly end: number;
}

/** One window after the other, each byte by byte; neighbouring data are one range. */
function slowParts(chunk: Uint8Array, start: number): readonly Range[] {
  const ranges: Range[] = [];
  for (let at = 0; at < chunk.length;) {
    const end = Math.min(chunk.length, at + ZERO_WINDOW - ((start + at) % ZERO_WINDOW));
    const isHole = end - at === ZERO_WINDOW && chunk.subarray(at, end).every((byte) => byte === 0);
    const last = ranges.at(-1);
    if (isHole) ranges.push({ kind: "hole", start: at, end });
    else if (last?.kind === "data") ranges.splice(-1, 1, { ...last, end });
    else ranges.push({ kind: "data", start: at, end });
    at = end;
  }
  return ranges;
}

test("a chunk is cut at the windows of the file that are zeros throughout, wherever the chunk begins", () => {
  fc.assert(
    fc.property(chunkRuns, startInFile, (runs, start) => {
      const chunk = Buffer.concat(runs.map((run) => Buffer.alloc(run.length, run.isZero ? 0 : 7)));
      const ranges: Range[] = [];
      const add = (kind: Range["kind"], length: number): void => {
        const from = ranges.at(-1)?.end ?? 0;
        ranges.push({ kind, start: from, end: from + length });
      };
      const data: Uint8Array[] = [];
      cutAtZeroWindows(chunk, start, {
        onData: (bytes) => {
          add("data", bytes.length);
          data.push(bytes);
        },
        onHole: (sizeBytes) => add("hole", sizeBytes),
      });
      const expected = slowParts(chunk, start);
      expect(ranges).toEqual(expected);
      const expectedData = expected.filter(({ kind }) => kind === "data");
      const slices = expectedData.map((range) => chunk.subarray(range.start, range.end));
      expect(Buffer.concat(data).equals(Buffer.concat(slices))).toBe(true);
    }),
    { numRuns: 50 },
  );
});

test("one byte anywhere in a range makes it not zero", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: ZERO_WINDOW }), fc.nat(), (length, where) => {
      const bytes = new Uint8Array(length + 2);
      bytes[0] = 1;
      bytes[length + 1] = 1;
      expect(isZero(bytes, 1, length + 1)).toBe(true);
      bytes[1 + (where % length)] = 1;
      expect(isZero(bytes, 1, length + 1)).toBe(false);
    }),
  );
});
