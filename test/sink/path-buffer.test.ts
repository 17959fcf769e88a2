import fc from "fast-check";
import { expect, test } from "vitest";
import { PathBuffer } from "../../src/sink/path-buffer.ts";

const text = (path: PathBuffer): string =>
  Buffer.from(path.bytes).toString("latin1", 0, path.length);

test("a path ends with a NUL, whatever longer one was there before", () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 4095 }),
      fc.uint8Array({ maxLength: 300 }),
      (before, after) => {
        const path = new PathBuffer().set(before).set(after);
        expect(path.bytes.subarray(0, path.length)).toEqual(after);
        expect(path.bytes[path.length]).toBe(0);
      },
    ),
  );
});

test("a number is its decimal digits", () => {
  const path = new PathBuffer();
  fc.assert(
    fc.property(fc.maxSafeNat(), (number) => {
      expect(text(path.setNumber(number))).toBe(String(number));
      expect(path.bytes[path.length]).toBe(0);
    }),
  );
  for (const edge of [0, 9, 10, 2 ** 31, 2 ** 32 - 1, Number.MAX_SAFE_INTEGER]) {
    expect(text(path.setNumber(edge))).toBe(String(edge));
  }
});

test("a part of shared bytes is taken, as the names of a tree are", () => {
  const shared = new Uint8Array(new SharedArrayBuffer(9));
  shared.set(Buffer.from("aabbbcccc"));
  expect(text(new PathBuffer().set(shared, 2, 3))).toBe("bbb");
});

test("more than one system call takes is refused", () => {
  expect(() => new PathBuffer().set(new Uint8Array(4096))).toThrow(RangeError);
});
