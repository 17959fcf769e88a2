import fc from "fast-check";
import { expect, test } from "vitest";
import { bodyRef, firstBodyOf, hasHoles, numberOf, planOf } from "../../src/sink/body-ref.ts";

test("a body's plan, number and holes come back from one number below 2^53", () => {
  fc.assert(
    fc.property(
      fc.nat(2 ** 20 - 1),
      fc.integer({ min: 0, max: 2 ** 32 - 1 }),
      fc.boolean(),
      (plan, number, holes) => {
        const body = bodyRef(firstBodyOf(plan), number, holes);
        expect(Number.isSafeInteger(body)).toBe(true);
        expect([planOf(body), numberOf(body), hasHoles(body)]).toEqual([plan, number, holes]);
      },
    ),
  );
});
