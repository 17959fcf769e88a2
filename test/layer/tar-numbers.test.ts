import fc from "fast-check";
import { expect, test } from "vitest";
import {
  parseDecimal,
  parseNumeric,
  parseOctal,
  parsePaxTime,
} from "../../src/layer/tar-numbers.ts";

const octal = (field: string): number => {
  const bytes = Buffer.from(`7${field}7`, "latin1");
  return parseOctal(bytes, 1, bytes.length - 1);
};
const numeric = (hex: string): number => {
  const bytes = Buffer.from(hex, "hex");
  return parseNumeric(bytes, 0, bytes.length);
};
const decimal = (text: string): number => {
  const bytes = Buffer.from(`9${text}9`, "latin1");
  return parseDecimal(bytes, 1, bytes.length - 1);
};
const time = (text: string): readonly [number, number] | "none" => {
  const bytes = Buffer.from(`.${text}.`, "latin1");
  const result = { seconds: 0, nanoseconds: 0 };
  const valid = parsePaxTime(bytes, 1, bytes.length - 1, result);
  return valid ? [result.seconds, result.nanoseconds] : "none";
};

test.each([
  ["0000644\0", 0o644],
  ["000000000010", 8],
  ["        10 ", 8],
  ["\0\0  17\0\0", 15],
  ["644 \0\0", 0o644],
  ["12\0garbage", 0o12],
  ["        ", 0],
  ["\0\0\0\0", 0],
  ["00000000008", Number.NaN],
  ["rwxr-xr\0", Number.NaN],
  ["12 34", Number.NaN],
  ["12 \x003", Number.NaN],
  ["-7", Number.NaN],
  ["+7", Number.NaN],
])("the octal field %j is %d, as to Go", (field, expected) => {
  expect(octal(field)).toBe(expected);
});

test("base-256 is two's complement, and an infinity beyond 64 bits", () => {
  expect(numeric("80000000000002bc")).toBe(700);
  expect(numeric("80000001 00000000".replace(" ", ""))).toBe(2 ** 32);
  expect(numeric("ffffffffffffffff")).toBe(-1);
  expect(numeric("fffffffffffffffffffeae80")).toBe(-86_400);
  expect(numeric("80000000ffffffffffffffff")).toBe(Infinity);
  expect(numeric("8fffffffffffffffffffffff")).toBe(Infinity);
  expect(numeric("c00000000000000000000000")).toBe(-Infinity);
});

test("base-256 gives back any whole number", () => {
  fc.assert(
    fc.property(fc.maxSafeInteger(), (value) => {
      const field = Buffer.from(
        BigInt.asUintN(96, BigInt(value)).toString(16).padStart(24, "0"),
        "hex",
      );
      field[0] = (field[0] ?? 0) | 0x80;
      expect(parseNumeric(field, 0, 12)).toBe(value);
    }),
  );
});

test.each([
  ["0", 0],
  ["007", 7],
  ["-5", -5],
  ["+5", 5],
  ["4000000", 4_000_000],
  ["9007199254740993", 2 ** 53],
  ["9300000000000000000", Infinity],
  ["-99999999999999999999", -Infinity],
  ["", Number.NaN],
  ["-", Number.NaN],
  ["0x10", Number.NaN],
  ["1e3", Number.NaN],
  ["1.5", Number.NaN],
  [" 1", Number.NaN],
])("the decimal %j is %d, as to Go's ParseInt", (text, expected) => {
  expect(decimal(text)).toBe(expected);
});

test.each<readonly [string, readonly [number, number] | "none"]>([
  ["1700000000", [1_700_000_000, 0]],
  ["1700000000.123456789", [1_700_000_000, 123_456_789]],
  ["1700000000.1234567899999", [1_700_000_000, 123_456_789]],
  ["1600000000.5", [1_600_000_000, 500_000_000]],
  ["1.", [1, 0]],
  ["-86400", [-86_400, 0]],
  ["-1.5", [-2, 500_000_000]],
  ["-0.5", [-1, 500_000_000]],
  ["-1.0000000001", [-1, 0]],
  ["99999999999999999999999", [2 ** 63, 0]],
  ["-99999999999999999999999", [-(2 ** 63), 0]],
  ["1.2.3", "none"],
  [".5", "none"],
  ["", "none"],
  ["abc", "none"],
  ["1.x", "none"],
  ["1.1234567890x", "none"],
])("the pax time %j is %j", (text, expected) => {
  expect(time(text)).toEqual(expected);
});
