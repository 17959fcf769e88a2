import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, onTestFinished, test } from "vitest";
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

test("a watch that has been stopped says nothing any more", async () => {
  const watch = watchMemory(0);
  watch.stop();
  const held = Buffer.alloc(64 * MIB, "held");
  await sleep(250);
  expect(held.length).toBe(64 * MIB);
  expect(watch.exceeded.aborted).toBe(false);
});
