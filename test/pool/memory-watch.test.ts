import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, onTestFinished, test, vi } from "vitest";
import { ImportError } from "../../src/errors.ts";
import { watchMemory } from "../../src/pool/memory-watch.ts";

const MIB = 2 ** 20;

test("memory over the budget aborts with a reason that says how much it was", async () => {
  const watch = watchMemory(32 * MIB);
  onTestFinished(() => watch.stop());
  // The watch keeps no process alive by itself.
  const alive = setInterval(() => undefined, 1000);
  onTestFinished(() => clearInterval(alive));
  const held = Buffer.alloc(256 * MIB, "held");
  await once(watch.exceeded, "abort");
  expect(held.length).toBe(256 * MIB);
  const reason: unknown = watch.exceeded.reason;
  expect(reason).toBeInstanceOf(ImportError);
  expect(reason).toMatchObject({
    code: "ERR_LIMIT_EXCEEDED",
    message: expect.stringMatching(/^the import takes \d+ MiB of memory, the limit is 32$/),
    details: { limit: "memoryMb", limitValue: 32 },
  });
});

test("memory that the process gives back meanwhile is no allowance", async () => {
  const given = new ArrayBuffer(256 * MIB);
  new Uint8Array(given).fill(1);
  const watch = watchMemory(64 * MIB);
  onTestFinished(() => watch.stop());
  expect(given.transfer(0).byteLength).toBe(0);
  await sleep(300);
  const held = Buffer.alloc(128 * MIB, "held");
  await vi.waitFor(() => expect(watch.exceeded.aborted).toBe(true), 5000);
  expect(held.length).toBe(128 * MIB);
});

test("a watch that has been stopped says nothing any more", async () => {
  const watch = watchMemory(0);
  watch.stop();
  const held = Buffer.alloc(64 * MIB, "held");
  await sleep(250);
  expect(held.length).toBe(64 * MIB);
  expect(watch.exceeded.aborted).toBe(false);
});
