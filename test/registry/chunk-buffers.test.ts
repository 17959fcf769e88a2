import { expect, test } from "vitest";
import { ChunkBuffers } from "../../src/registry/chunk-buffers.ts";

test("buffers are given as far as the budget goes, used again, and let go when nobody needs one", () => {
  const buffers = new ChunkBuffers(1000, 2999);
  const first = buffers.take();
  const second = buffers.take();
  expect([first?.length, second?.length, buffers.usedBytes]).toEqual([1000, 1000, 2000]);
  expect(buffers.take()).toBeUndefined();
  if (first === undefined || second === undefined) throw new Error("no buffer");
  buffers.give(first);
  expect(buffers.take()).toBe(first);
  buffers.give(first);
  buffers.give(second);
  expect(buffers.usedBytes).toBe(0);
  expect([first, second]).not.toContain(buffers.take());
});
