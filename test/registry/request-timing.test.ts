import { expect, test } from "vitest";
import { timingFor } from "../../src/registry/request-timing.ts";

/** Node's timers hold 31 bits; a longer one fires at once (Node docs, "setTimeout"). */
const LONGEST_TIMER_MS = 2 ** 31 - 1;
const WEEK_MS = 604_800_000;

test("a week of patience is one for every clock: none is longer than a timer can be", () => {
  const clocks = timingFor({ stallMs: WEEK_MS });
  expect(clocks.stallMs).toBe(WEEK_MS);
  expect(clocks.firstBlobByteMs).toBe(LONGEST_TIMER_MS);
  for (const ms of Object.values(clocks)) expect(ms).toBeLessThanOrEqual(LONGEST_TIMER_MS);
});

test("the clocks keep their proportions to how long a host may be silent", () => {
  expect(timingFor({ stallMs: 1000, retries: 0 })).toEqual({
    connectMs: 1000,
    firstByteMs: 1000,
    firstBlobByteMs: 4000,
    stallMs: 1000,
    minRateWindowMs: 2000,
    attempts: 1,
  });
  expect(timingFor({})).toEqual({});
});
