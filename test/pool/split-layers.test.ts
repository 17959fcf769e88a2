import { expect, test } from "vitest";
import { createSplitting } from "../../src/pool/split-layers.ts";

const MIB = 2 ** 20;

function splitOf(
  sizes: readonly number[],
  workers: number,
  order: "largest-first" | "bottom-up" = "largest-first",
): readonly boolean[] {
  const bytes = sizes.map((size) => size * MIB);
  return bytes.map(createSplitting(bytes, { workers, order }));
}

test("a layer that is more than a worker's share of the image is split", () => {
  expect(splitOf([40, 400, 150], 2)).toEqual([false, true, false]);
  expect(splitOf([40, 400, 300], 4)).toEqual([false, true, true]);
  expect(splitOf([500], 2)).toEqual([true]);
});

test("layers that keep all workers busy are not", () => {
  expect(splitOf([100, 100], 2)).toEqual([false, false]);
  expect(splitOf([100, 90, 80, 95, 85], 4)).toEqual([false, false, false, false, false]);
});

test("layers that go one by one are split, each", () => {
  expect(splitOf([100, 100, 20], 2, "bottom-up")).toEqual([true, true, true]);
});

test("a small layer is done before a thread would have begun", () => {
  expect(splitOf([15], 2)).toEqual([false]);
  expect(splitOf([15, 15], 2, "bottom-up")).toEqual([false, false]);
});

test("one worker decodes by itself: nobody asked for more threads", () => {
  expect(splitOf([500], 1)).toEqual([false]);
});
