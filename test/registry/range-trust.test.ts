import { expect, test } from "vitest";
import { RangeTrust } from "../../src/registry/range-trust.ts";

test("a host is trusted until ranges are refused there, or fail three times in a row", () => {
  const trust = new RangeTrust();
  trust.refuse("a");
  expect([trust.allows("a"), trust.allows("b")]).toEqual([false, true]);
  expect([trust.failed("b"), trust.failed("b")]).toEqual([false, false]);
  trust.worked("b");
  expect([trust.failed("b"), trust.failed("b"), trust.failed("b")]).toEqual([false, false, true]);
  expect(trust.allows("b")).toBe(false);
});

test("after wrong bytes no host is asked any more", () => {
  const trust = new RangeTrust();
  trust.prove("a");
  expect([trust.isProven("a"), trust.isProven("b")]).toEqual([true, false]);
  trust.refuseAll();
  expect(trust.allows("a")).toBe(false);
});
