import fc from "fast-check";
import { expect, test } from "vitest";
import { SlotRing, slotRingBytes } from "../../src/layer/slot-ring.ts";

const SHAPE = { slots: 4, slotBytes: 8 };

function ring(): { readonly filling: SlotRing; readonly emptying: SlotRing } {
  const memory = new SharedArrayBuffer(16 + slotRingBytes(SHAPE));
  return { filling: new SlotRing(memory, 16, SHAPE), emptying: new SlotRing(memory, 16, SHAPE) };
}

test("whatever the turns of the two sides are, the bytes come out as they went in", () => {
  fc.assert(
    fc.property(
      fc.array(fc.oneof(fc.constant("take" as const), fc.uint8Array({ maxLength: 8 }))),
      (steps) => {
        const { filling, emptying } = ring();
        const inside: { readonly bytes: Uint8Array; readonly position: number }[] = [];
        let position = 2 ** 40;
        const results = steps.map((step) => {
          if (step === "take") {
            const full = emptying.full;
            const found = full && { ...full, bytes: Uint8Array.from(full.bytes) };
            if (full !== undefined) emptying.release();
            return [found, inside.shift()];
          }
          const free = filling.free;
          const isFull = inside.length === SHAPE.slots;
          if (free !== undefined) {
            free.fill(0xaa);
            free.set(step);
            filling.publish(step.length, (position += 1));
            inside.push({ bytes: step, position });
          }
          return [free === undefined, isFull];
        });
        for (const [found, expected] of results) expect(found).toEqual(expected);
      },
    ),
  );
});

test("a slot that is not published stays the next one, and one that is not released the oldest", () => {
  const { filling, emptying } = ring();
  expect(filling.free).toEqual(filling.free);
  filling.free?.fill(1);
  filling.publish(8, 1);
  filling.free?.fill(2);
  filling.publish(8, 2);
  expect(emptying.full?.position).toBe(1);
  expect(emptying.full?.position).toBe(1);
  emptying.release();
  expect(emptying.full?.position).toBe(2);
});

test("counters that wrap around lose nothing", () => {
  const memory = new SharedArrayBuffer(slotRingBytes(SHAPE));
  new Int32Array(memory, 0, 2).fill(2 ** 31 - 2);
  const ends = new SlotRing(memory, 0, SHAPE);
  for (let round = 0; round < 3; round++) {
    for (let n = 0; n < SHAPE.slots; n++) {
      ends.free?.fill(10 * round + n);
      ends.publish(1, n);
    }
    expect(ends.free).toBeUndefined();
    for (let n = 0; n < SHAPE.slots; n++) {
      expect(ends.full).toEqual({ bytes: Uint8Array.of(10 * round + n), position: n });
      ends.release();
    }
    expect(ends.full).toBeUndefined();
  }
});
