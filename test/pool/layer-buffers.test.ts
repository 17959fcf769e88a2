import { expect, test } from "vitest";
import {
  BUFFERS_PER_LAYER,
  createLayerBuffers,
  layerBufferBytes,
} from "../../src/pool/layer-buffers.ts";

test("a layer has a few buffers, and whoever wants another waits until one comes back", async () => {
  const buffers = createLayerBuffers(10);
  const taken: ArrayBuffer[] = [];
  for (let n = 0; n < BUFFERS_PER_LAYER; n++) taken.push(await buffers.take());
  let another: ArrayBuffer | undefined;
  const waiting = buffers.take().then((buffer) => (another = buffer));
  await new Promise((settle) => {
    setTimeout(settle, 20);
  });
  expect(another).toBeUndefined();
  const [first] = taken;
  if (first === undefined) throw new Error("no buffer was taken");
  buffers.give(first);
  await waiting;
  expect(another).toBe(first);
});

test("a failure wakes the one who waits, and every later one", async () => {
  const buffers = createLayerBuffers(10);
  for (let n = 0; n < BUFFERS_PER_LAYER; n++) await buffers.take();
  const waiting = buffers.take();
  buffers.fail(new Error("the worker is gone"));
  await expect(waiting).rejects.toThrow("the worker is gone");
  await expect(buffers.take()).rejects.toThrow("the worker is gone");
});

test.each([1, 2, 8, 16, 64])(
  "with %i layers under way all buffers together stay within 32 MiB",
  (concurrency) => {
    const bytes = layerBufferBytes(concurrency);
    expect(bytes).toBeLessThanOrEqual(2 ** 20);
    expect(bytes).toBeGreaterThanOrEqual(65_536);
    expect(bytes * BUFFERS_PER_LAYER * concurrency).toBeLessThanOrEqual(32 * 2 ** 20);
  },
);
