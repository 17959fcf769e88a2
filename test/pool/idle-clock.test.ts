import { expect, test } from "vitest";
import { createIdleClock } from "../../src/pool/idle-clock.ts";

test("a worker idles while it has no buffer of any layer", () => {
  let nowMs = 100;
  const clock = createIdleClock(() => nowMs);
  nowMs = 110;
  expect(clock.idleMs()).toBe(10);
  clock.count(1);
  nowMs = 150;
  clock.count(1);
  clock.count(-1);
  nowMs = 160;
  expect(clock.idleMs()).toBe(10);
  clock.count(-1);
  nowMs = 165;
  expect(clock.idleMs()).toBe(15);
  // A job that ends with nothing open changes nothing.
  clock.count(-0);
  nowMs = 170;
  clock.count(3);
  clock.count(-3);
  nowMs = 175;
  expect(clock.idleMs()).toBe(25);
});
