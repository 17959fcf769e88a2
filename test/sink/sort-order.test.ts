import fc from "fast-check";
import { expect, test } from "vitest";
import { sortOrder } from "../../src/sink/sort-order.ts";

test("any number of things is sorted, and equal ones keep their order", () => {
  const keys = fc.array(fc.nat({ max: 20 }), { maxLength: 300 });
  fc.assert(
    fc.property(keys, (key) => {
      const order = Uint32Array.from(key.keys());
      const scratch = new Uint32Array(order.length);
      sortOrder(order, scratch, (left, right) => (key[left] ?? 0) > (key[right] ?? 0));
      const expected = [...key.keys()].toSorted((a, b) => (key[a] ?? 0) - (key[b] ?? 0));
      expect([...order]).toEqual(expected);
    }),
  );
});
