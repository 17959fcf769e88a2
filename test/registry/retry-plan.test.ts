import { expect, test } from "vitest";
import { ImportError } from "../../src/errors.ts";
import { parseRetryAfter } from "../../src/registry/retry-after.ts";
import type { FailureFacts } from "../../src/registry/request-failure.ts";
import { RequestFailure } from "../../src/registry/request-failure.ts";
import type { RequestTiming } from "../../src/registry/request-timing.ts";
import { DEFAULT_TIMING } from "../../src/registry/request-timing.ts";
import type { RetryEvent } from "../../src/registry/retry-plan.ts";
import { RetryPlan, RetryState } from "../../src/registry/retry-plan.ts";

const { signal } = new AbortController();

function failure(facts: Partial<FailureFacts>): RequestFailure {
  const error = new ImportError("ERR_NETWORK", "reset, for the blob");
  return new RequestFailure(error, { retry: "yes", host: "h", ...facts });
}

function planWith(timing: Partial<RequestTiming>): { plan: RetryPlan; events: RetryEvent[] } {
  const events: RetryEvent[] = [];
  const state = new RetryState(
    { ...DEFAULT_TIMING, baseDelayMs: 1, maxDelayMs: 4, ...timing },
    (event) => events.push(event),
    () => 1,
  );
  return { plan: new RetryPlan(state, "the blob"), events };
}

test("six tries in all, the delays doubling up to their maximum", async () => {
  const { plan, events } = planWith({});
  for (let i = 0; i < 5; i += 1) await plan.next(failure({}), signal);
  await expect(plan.next(failure({}), signal)).rejects.toMatchObject({ code: "ERR_NETWORK" });
  expect(events.map(({ attempt, delayMs }) => [attempt, delayMs])).toEqual([
    [2, 1],
    [3, 2],
    [4, 4],
    [5, 4],
    [6, 4],
  ]);
  expect(events[0]).toMatchObject({ what: "the blob", why: "reset" });
});

test("progress starts the count again", async () => {
  const { plan, events } = planWith({ attempts: 2 });
  for (let i = 0; i < 4; i += 1) {
    await plan.next(failure({}), signal);
    plan.progressed();
  }
  expect(events.map(({ delayMs }) => delayMs)).toEqual([1, 1, 1, 1]);
});

test("what may be tried once is tried once; what may not, never", async () => {
  const { plan } = planWith({});
  await plan.next(failure({ retry: "once" }), signal);
  await expect(plan.next(failure({ retry: "once" }), signal)).rejects.toThrow("reset");
  await plan.next(failure({ retry: "fromRegistry" }), signal);
  await expect(plan.next(failure({ retry: "fromRegistry" }), signal)).rejects.toThrow("reset");
  await expect(plan.next(failure({ retry: "no" }), signal)).rejects.toThrow("reset");
});

test("a connection that was closed while idle is replaced at once, without counting", async () => {
  const { plan, events } = planWith({ attempts: 1 });
  await plan.next(failure({ staleConnection: true }), signal);
  expect(events[0]?.delayMs).toBe(0);
  await expect(plan.next(failure({ staleConnection: true }), signal)).rejects.toThrow("reset");
});

test("one import does not wait longer in all than its budget", async () => {
  const { plan } = planWith({ waitBudgetMs: 2 });
  await plan.next(failure({}), signal);
  await expect(plan.next(failure({}), signal)).rejects.toThrow("reset");
});

test("a cancelled import does not wait", async () => {
  const { plan } = planWith({ baseDelayMs: 60_000, maxDelayMs: 60_000 });
  const controller = new AbortController();
  const waiting = plan.next(failure({}), controller.signal);
  controller.abort();
  await expect(waiting).rejects.toMatchObject({ code: "ERR_CANCELLED" });
});

test.each([
  ["7", 7000],
  ["0", 0],
  ["Thu, 01 Jan 2026 00:00:30 GMT", 30_000],
  ["Thursday, 01-Jan-26 00:00:30 GMT", 30_000],
  ["Wed, 31 Dec 2025 23:00:00 GMT", undefined],
  ["-5", undefined],
  ["1.5", undefined],
  ["soon", undefined],
  ["", undefined],
  [undefined, undefined],
])("Retry-After: %s", (value, expected) => {
  expect(parseRetryAfter(value, new Date("2026-01-01T00:00:00Z"))).toBe(expected);
});

test("a date without a zone is GMT wherever we are", () => {
  const zone = process.env["TZ"];
  try {
    process.env["TZ"] = "America/New_York";
    const now = new Date("2026-01-01T00:00:00Z");
    expect(parseRetryAfter("Thu Jan  1 00:00:30 2026", now)).toBe(30_000);
  } finally {
    if (zone === undefined) delete process.env["TZ"];
    else process.env["TZ"] = zone;
  }
});
