import fc from "fast-check";
import { expect, test } from "vitest";
import { parseContentLength, planBlobAnswer } from "../../src/registry/range-answer.ts";

const asked = { offset: 400, sizeBytes: 1000, contentLength: undefined };

test.each([
  ["bytes 400-999/1000", { kind: "take", startsAt: 400, lengthBytes: 600 }],
  ["BYTES 400-999/*", { kind: "take", startsAt: 400, lengthBytes: 600 }],
  ["bytes 400-699/1000", { kind: "take", startsAt: 400, lengthBytes: 300 }],
  ["bytes 300-999/1000", { kind: "restart" }],
  ["bytes 400-999/2000", { kind: "restart" }],
  ["bytes */1000", { kind: "restart" }],
  ["400-999", { kind: "restart" }],
  [undefined, { kind: "restart" }],
])("a 206 of %s", (contentRange, plan) => {
  expect(planBlobAnswer({ ...asked, status: 206, contentRange })).toMatchObject(plan);
});

test("a 200 is the blob from its start, whatever was asked for", () => {
  const facts = { ...asked, status: 200, contentRange: undefined, contentLength: 1000 };
  expect(planBlobAnswer(facts)).toEqual({ kind: "take", startsAt: 0, lengthBytes: 1000 });
});

test("416 on a resume is a restart; 206 without a Range, and any other status, are wrong", () => {
  const contentRange = undefined;
  expect(planBlobAnswer({ ...asked, status: 416, contentRange }).kind).toBe("restart");
  expect(planBlobAnswer({ ...asked, offset: 0, status: 416, contentRange }).kind).toBe("wrong");
  expect(planBlobAnswer({ ...asked, offset: 0, status: 206, contentRange }).kind).toBe("wrong");
  expect(planBlobAnswer({ ...asked, status: 204, contentRange }).kind).toBe("wrong");
});

test("bytes are only ever taken from where they were asked for, or from the start", () => {
  const range = fc.oneof(
    fc.string(),
    fc.tuple(fc.nat(2000), fc.nat(2000), fc.nat(2000)).map(([a, b, c]) => `bytes ${a}-${b}/${c}`),
  );
  const status = fc.constantFrom(200, 204, 206, 416);
  fc.assert(
    fc.property(range, status, fc.nat(999), (contentRange, code, offset) => {
      const plan = planBlobAnswer({ ...asked, status: code, contentRange, offset });
      expect([0, offset]).toContain(plan.kind === "take" ? plan.startsAt : 0);
    }),
  );
});

test("a Content-Length is digits, or it is none", () => {
  expect(parseContentLength("12")).toBe(12);
  for (const text of [undefined, "", "-1", "1e3", "0x10", "12, 12", "9".repeat(20)]) {
    expect(parseContentLength(text)).toBeUndefined();
  }
});
