import fc from "fast-check";
import { crc32, deflateRawSync, constants, gunzipSync, gzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { outcomeOf } from "../support/import-error.ts";
import { createGzipStream, nativeGunzipWorks } from "../../src/layer/gzip-stream.ts";
import { runDecompressor } from "../support/run-decompressor.ts";

const text = Buffer.from("the quick brown fox jumps over the lazy dog\n".repeat(3000));
/** Compresses badly, so that blocks of every kind and long matches across them occur. */
const mixed = Buffer.concat([text, noise(200_000), text, Buffer.alloc(300_000), noise(5000)]);

function noise(length: number): Buffer {
  let state = 12_345;
  return Buffer.from(
    Uint8Array.from({ length }, () => {
      state = (state * 1_103_515_245 + 12_345) % 2 ** 31;
      return state >> 16;
    }),
  );
}

/** One member with every field of RFC 1952 §2.3. */
function memberWithFields(data: Buffer, headerCrc?: number): Buffer {
  const head = Buffer.concat([
    Buffer.from("1f8b081e0000000002030400", "hex"),
    Buffer.from("ab\0\0layer.tar\0a comment\0", "latin1"),
  ]);
  const trailer = Buffer.alloc(8);
  trailer.writeUInt32LE(crc32(data), 0);
  trailer.writeUInt32LE(data.length, 4);
  const check = Buffer.alloc(2);
  check.writeUInt16LE(headerCrc ?? crc32(head) & 0xffff);
  return Buffer.concat([head, check, deflateRawSync(data), trailer]);
}

test("the native handle of this Node is what we take it for", () => {
  expect(nativeGunzipWorks()).toBe(true);
});

function run(bytes: Uint8Array, step?: number): Buffer {
  return runDecompressor(createGzipStream, bytes, step === undefined ? {} : { step });
}

function code(bytes: Uint8Array, step?: number): string {
  return outcomeOf(() => run(bytes, step));
}

describe("the gzip stream", () => {
  test.each([0, 1, 6, 9])("inflates what zlib packs at level %i", (level) => {
    expect(run(gzipSync(mixed, { level })).equals(mixed)).toBe(true);
  });

  test.each([
    ["fixed codes", { strategy: constants.Z_FIXED }],
    ["run lengths", { strategy: constants.Z_RLE }],
    ["literals only", { strategy: constants.Z_HUFFMAN_ONLY }],
    ["a small window", { windowBits: 9 }],
  ])("inflates a stream of %s", (_kind, options) => {
    expect(run(gzipSync(mixed, options)).equals(mixed)).toBe(true);
  });

  test("joins members, empty ones too", () => {
    const blob = Buffer.concat([gzipSync(text), gzipSync(""), gzipSync("b"), gzipSync(mixed)]);
    const expected = Buffer.concat([text, Buffer.from("b"), mixed]);
    for (const step of [blob.length, 4096, 777]) {
      expect(run(blob, step).equals(expected)).toBe(true);
    }
  });

  test("reads extra field, name, comment and header CRC, byte by byte too", () => {
    expect(run(memberWithFields(text)).equals(text)).toBe(true);
    expect(run(memberWithFields(text), 1).equals(text)).toBe(true);
    expect(code(memberWithFields(text, 1))).toBe("ERR_LAYER_CORRUPT");
  });

  test("zeros after the last member are padding, whole blocks of them too", () => {
    const blob = Buffer.concat([gzipSync(text), Buffer.alloc(10_240)]);
    for (const step of [blob.length, 100, 1]) expect(run(blob, step).equals(text)).toBe(true);
  });

  test("other bytes after the last member are refused, also behind zeros", () => {
    const member = gzipSync("a");
    for (const tail of ["trailing garbage", "\0\0x", "\x1fx", "\0\x1f\x8b\x08"]) {
      const blob = Buffer.concat([member, Buffer.from(tail, "latin1")]);
      expect([tail, code(blob), code(blob, 1)]).toEqual([
        tail,
        "ERR_LAYER_CORRUPT",
        "ERR_LAYER_CORRUPT",
      ]);
    }
  });

  test("a cut is told, wherever it is", () => {
    const blob = gzipSync("some text, some more text");
    for (let length = 2; length < blob.length; length++) {
      expect([length, code(blob.subarray(0, length))]).toEqual([length, "ERR_LAYER_TRUNCATED"]);
    }
  });

  test("a cut in the second member is told, wherever it is", () => {
    const first = gzipSync("one");
    const blob = Buffer.concat([first, gzipSync("two")]);
    for (let length = first.length + 1; length < blob.length; length++) {
      expect([length, code(blob.subarray(0, length))]).toEqual([length, "ERR_LAYER_TRUNCATED"]);
    }
  });

  test("a wrong CRC and a wrong length in the trailer are told", () => {
    for (const at of [-8, -5, -4, -1]) {
      const blob = gzipSync(text);
      blob[blob.length + at] = (blob.at(at) ?? 0) ^ 0xff;
      expect(code(blob)).toBe("ERR_LAYER_CORRUPT");
    }
  });

  test("any flipped byte gives the text or an error with a code", () => {
    const blob = gzipSync(mixed.subarray(0, 20_000));
    fc.assert(
      fc.property(fc.nat(blob.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
        const damaged = Buffer.from(blob);
        damaged[at] = (damaged[at] ?? 0) ^ flip;
        expect(["ok", "ERR_LAYER_CORRUPT", "ERR_LAYER_TRUNCATED"]).toContain(code(damaged));
      }),
      { numRuns: 150 },
    );
  });

  test("any members in any pieces are what zlib makes of them", () => {
    const member = fc
      .tuple(fc.uint8Array({ maxLength: 500 }), fc.nat(40), fc.integer({ min: 0, max: 9 }))
      .map(([bytes, repeats, level]) =>
        gzipSync(Buffer.alloc(bytes.length * repeats, bytes.length === 0 ? 0 : bytes), { level }),
      );
    fc.assert(
      fc.property(
        fc.array(member, { minLength: 1, maxLength: 4 }),
        fc.integer({ min: 1, max: 300 }),
        (members, step) => {
          const blob = Buffer.concat(members);
          expect(run(blob, step).equals(gunzipSync(blob))).toBe(true);
        },
      ),
    );
  });
});

test("any bytes behind a gzip header are what zlib makes of them, or refused", () => {
  const head = Buffer.from("1f8b0800000000000003", "hex");
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (body) => {
      const blob = Buffer.concat([head, body]);
      const ours = outcome(() => run(blob));
      expect(ours).toBe(outcome(() => gunzipSync(blob)));
    }),
    { numRuns: 500 },
  );
});

function outcome(inflate: () => Buffer): string {
  try {
    return inflate().toString("latin1");
  } catch {
    return "refused";
  }
}
