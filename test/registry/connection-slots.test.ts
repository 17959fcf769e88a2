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

test("a slot for the asking is one that nobody waits for", async () => {
  const slots = new ConnectionSlots(2);
  const first = await slots.acquire(signal);
  const extra = slots.tryAcquire();
  expect(slots.tryAcquire()).toBeUndefined();
  const waiting = slots.acquire(signal);
  extra?.();
  (await waiting)();
  first();
  const both = [slots.tryAcquire(), slots.tryAcquire()];
  expect(both).not.toContain(undefined);
  const next = slots.acquire(signal);
  both[0]?.();
  expect(slots.tryAcquire()).toBeUndefined();
  expect(await settled(next)).toBe(true);
});

test("refusals of requests that were under way together halve the slots once", async () => {
  const slots = new ConnectionSlots(8);
  const begunAtMs = performance.now();
  slots.halve(begunAtMs);
  slots.halve(begunAtMs);
  const releases = [1, 2, 3, 4].map(() => slots.tryAcquire());
  expect(releases).not.toContain(undefined);
  expect(slots.tryAcquire()).toBeUndefined();
  slots.halve(performance.now() + 1);
  releases[0]?.();
  releases[1]?.();
  expect(slots.tryAcquire()).toBeUndefined();
  releases[2]?.();
  expect(slots.tryAcquire()).toBeDefined();
});
