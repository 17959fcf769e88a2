import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { limitOf, mostOpenFiles, shareOf } from "../../src/sink/most-open-files.ts";

test("a cache has 64 open files where a thousand may be, and never less than four", () => {
  expect([1, 64, 96, 256, 1024, Infinity].map(shareOf)).toEqual([4, 4, 6, 26, 64, 64]);
});

test("the limit is the soft one that the kernel tells", () => {
  const limits = [
    "Limit                     Soft Limit           Hard Limit           Units     ",
    "Max open files            1024                 524288               files     ",
  ];
  expect(limitOf(limits.join("\n"))).toBe(1024);
  expect(limitOf("")).toBe(Infinity);
  expect(limitOf("Max open files            unlimited            unlimited            files")).toBe(
    Infinity,
  );
  const own = limitOf(readFileSync("/proc/self/limits", "latin1"));
  expect(own).toBeGreaterThan(0);
  expect(mostOpenFiles()).toBe(shareOf(own));
});
