import fc from "fast-check";
import { expect, test } from "vitest";
import { PaxKey, PaxRecords } from "../../src/layer/pax-records.ts";

function parse(body: string): {
  readonly records: PaxRecords;
  readonly problem: string | undefined;
} {
  const records = new PaxRecords();
  return { records, problem: records.parse(Buffer.from(body, "latin1")) };
}

function record(key: string, value: string): string {
  const rest = ` ${key}=${value}\n`;
  let length = rest.length;
  while (`${length}${rest}`.length !== length) length = `${length}${rest}`.length;
  return `${length}${rest}`;
}

const latin1 = (bytes: Uint8Array): string => Buffer.from(bytes).toString("latin1");

test("a value is bounded by its length, not by a newline or a second =", () => {
  const { records, problem } = parse(
    record("comment", "l1\n30 path=evil\n") + record("path", "a=b\nc"),
  );
  expect(problem).toBeUndefined();
  expect(records.text(PaxKey.path)).toBe("a=b\nc");
});

test("the last value of a key counts, and an empty one counts as none", () => {
  const twice = parse(record("path", "first") + record("path", "second")).records;
  expect(twice.text(PaxKey.path)).toBe("second");
  const emptied = parse(record("path", "first") + record("path", "")).records;
  expect(emptied.has(PaxKey.path)).toBe(false);
});

test("nothing of the header before stays", () => {
  const records = new PaxRecords();
  records.parse(Buffer.from(record("uid", "5") + record("SCHILY.xattr.user.a", "1")));
  records.parse(Buffer.from(record("gid", "6")));
  expect([records.has(PaxKey.uid), records.has(PaxKey.gid)]).toEqual([false, true]);
  expect(records.xattrs).toEqual([]);
});

test.each([
  ["99 path=b\n", "a length that lies"],
  ["5 path=b\n", "a length inside the key"],
  ["9 path=bc", "no newline"],
  ["7 path\n", "no ="],
  [" path=b\n", "no length"],
  ["-9 path=b\n", "a negative length"],
  ["0 path=b\n", "length 0"],
  ["999999999999999999999999999999 path=b\n", "a length of 30 digits"],
  ["6 =abc\n", "an empty key"],
  ["0x9 path=b\n", "a length in hexadecimal"],
  ["11 pa\0th=bc\n", "a NUL in the key"],
  ["11 path=b\0c\n", "a NUL in a name"],
  ["9 path=b\n\0\0\0", "what is no record behind the last one"],
  ["9", "a length and nothing else"],
  ["4 a=", "four bytes"],
])("%j is malformed: %s", (body) => {
  expect(parse(body).problem).toBeTypeOf("string");
});

test("sparse offsets and lengths come in turn", () => {
  const offset = record("GNU.sparse.offset", "0");
  const length = record("GNU.sparse.numbytes", "512");
  expect(parse(offset + length + offset + length).records.sparsePairs).toEqual([0, 512, 0, 512]);
  expect(parse(length + offset).problem).toBeTypeOf("string");
  expect(parse(offset + length + offset).problem).toBeTypeOf("string");
});

test("any records come out as they went in", () => {
  const key = fc.stringMatching(/^[a-zA-Z.]{1,12}$/).filter((name) => !/sparse/.test(name));
  const value = fc.string({ unit: "binary-ascii", maxLength: 200 });
  fc.assert(
    fc.property(fc.array(fc.tuple(key, value), { maxLength: 8 }), (pairs) => {
      const body = pairs.map(([name, text]) => record(`SCHILY.xattr.${name}`, text)).join("");
      const { records, problem } = parse(body);
      expect(problem).toBeUndefined();
      expect(records.xattrs.map((xattr) => [latin1(xattr.name), latin1(xattr.value)])).toEqual(
        pairs,
      );
    }),
  );
});

test("any bytes are records or malformed", () => {
  const noise = fc.string({
    unit: fc.constantFrom("1", "9", " ", "=", "\n", "a", "\0"),
    maxLength: 40,
  });
  fc.assert(
    fc.property(noise, (body) => {
      const { problem } = parse(body);
      expect(["undefined", "string"]).toContain(typeof problem);
    }),
    { numRuns: 1000 },
  );
});
