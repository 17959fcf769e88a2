import { expect, test } from "vitest";
import { ConnectionSlots } from "../../src/registry/connection-slots.ts";

const { signal } = new AbortController();

async function settled(promise: Promise<unknown>): Promise<boolean> {
  const other = Symbol("not yet");
  return (
    (await Promise.race([promise, new Promise((resolve) => setImmediate(resolve, other))])) !==
    other
  );
}

test("slots are given in the order they were asked for, and given back once", async () => {
  const slots = new ConnectionSlots(1);
  const release = await slots.acquire(signal);
  const second = slots.acquire(signal);
  const third = slots.acquire(signal);
  release();
  release();
  expect(await settled(second)).toBe(true);
  expect(await settled(third)).toBe(false);
  (await second)();
  expect(await settled(third)).toBe(true);
});

test("a wait that is cancelled takes no slot", async () => {
  const slots = new ConnectionSlots(1);
  const release = await slots.acquire(signal);
  const controller = new AbortController();
  const cancelled = slots.acquire(controller.signal);
  const next = slots.acquire(signal);
  controller.abort();
  await expect(cancelled).rejects.toMatchObject({ code: "ERR_CANCELLED" });
  release();
  expect(await settled(next)).toBe(true);
});

test("after a 429 half as many run, and never none", async () => {
  const slots = new ConnectionSlots(4);
  const releases = await Promise.all([1, 2, 3, 4].map(() => slots.acquire(signal)));
  slots.halve();
  const next = slots.acquire(signal);
  releases[0]?.();
  releases[1]?.();
  expect(await settled(next)).toBe(false);
  releases[2]?.();
  expect(await settled(next)).toBe(true);
  for (let i = 0; i < 5; i += 1) slots.halve();
  releases[3]?.();
  (await next)();
  expect(await settled(slots.acquire(signal))).toBe(true);
});
