import fc from "fast-check";
import { constants, zstdCompressSync } from "node:zlib";
import { expect, test } from "vitest";
import { outcomeOf } from "../support/import-error.ts";
import { createZstdStream } from "../../src/layer/zstd-stream.ts";
import { runDecompressor } from "../support/run-decompressor.ts";
import type { Limits } from "../../src/limits.ts";

const text = Buffer.from("the quick brown fox jumps over the lazy dog\n".repeat(30_000));
const checked = { params: { [constants.ZSTD_c_checksumFlag]: 1 } };

function run(bytes: Uint8Array, step = bytes.length, limits: Partial<Limits> = {}): Buffer {
  return runDecompressor(createZstdStream, bytes, { step: Math.max(1, step), limits });
}

function code(bytes: Uint8Array, limits: Partial<Limits> = {}): string {
  return outcomeOf(() => run(bytes, bytes.length, limits));
}

function skippable(content: string, magic = 0x50): Buffer {
  const head = Buffer.from([magic, 0x2a, 0x4d, 0x18, 0, 0, 0, 0]);
  head.writeUInt32LE(content.length, 4);
  return Buffer.concat([head, Buffer.from(content)]);
}

/** A frame of one stored block, with any window. */
function frame(content: string, windowByte: number): Buffer {
  const block = Buffer.alloc(3);
  block.writeUIntLE((content.length << 3) | 1, 0, 3);
  return Buffer.concat([
    Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0, windowByte]),
    block,
    Buffer.from(content),
  ]);
}

test("frames follow each other in one write, with skippable ones before, between and after", () => {
  const blob = Buffer.concat([
    skippable("head"),
    zstdCompressSync(text, checked),
    skippable("", 0x5f),
    zstdCompressSync("b"),
    frame("stored", 0),
    zstdCompressSync(text),
    skippable("tail"),
  ]);
  const expected = Buffer.concat([text, Buffer.from("bstored"), text]);
  for (const step of [blob.length, 64, 1]) expect(run(blob, step).equals(expected)).toBe(true);
});

test("two thousand small frames go through one decoder", () => {
  const parts = Array.from({ length: 2000 }, (_, n) => zstdCompressSync(`file ${n}\n`, checked));
  const expected = Array.from({ length: 2000 }, (_, n) => `file ${n}\n`).join("");
  expect(run(Buffer.concat(parts)).toString()).toBe(expected);
});

test("empty frames, and skippable frames alone, are nothing", () => {
  expect(run(zstdCompressSync("")).length).toBe(0);
  expect(run(skippable("only")).length).toBe(0);
});

test("a cut is told, wherever it is", () => {
  const first = zstdCompressSync("one", checked);
  const blob = Buffer.concat([first, skippable("abc"), zstdCompressSync("two", checked)]);
  const whole = new Set([0, first.length, first.length + 11, blob.length]);
  for (let length = 1; length < blob.length; length++) {
    const expected = whole.has(length) ? "ok" : "ERR_LAYER_TRUNCATED";
    expect([length, code(blob.subarray(0, length))]).toEqual([length, expected]);
  }
});

test("a wrong checksum, garbage after a frame and a reserved block are told", () => {
  const blob = zstdCompressSync(text, checked);
  blob[blob.length - 1] = (blob.at(-1) ?? 0) ^ 0xff;
  expect(code(blob)).toBe("ERR_LAYER_CORRUPT");
  const garbage = Buffer.from("trailing garbage");
  expect(code(Buffer.concat([zstdCompressSync("a"), garbage]))).toBe("ERR_LAYER_CORRUPT");
  expect(code(Buffer.from("28b52ffd0000070000", "hex"))).toBe("ERR_LAYER_CORRUPT");
});

test("windows up to the limit are read, larger ones are refused before anything is set aside", () => {
  expect(run(frame("abc", (27 - 10) << 3)).toString()).toBe("abc");
  expect(code(frame("abc", ((27 - 10) << 3) | 1))).toBe("ERR_LIMIT_EXCEEDED");
  expect(code(frame("abc", (31 - 10) << 3))).toBe("ERR_LIMIT_EXCEEDED");
  expect(code(frame("abc", 0xff))).toBe("ERR_LIMIT_EXCEEDED");
  expect(code(frame("abc", (20 - 10) << 3), { zstdWindowBytes: 1 << 19 })).toBe(
    "ERR_LIMIT_EXCEEDED",
  );
  const raised = run(frame("abc", (28 - 10) << 3), 1000, { zstdWindowBytes: 1 << 28 });
  expect(raised.toString()).toBe("abc");
});

test("a single-segment frame has its content's size for a window", () => {
  const huge = Buffer.from("28b52ffde0ffffffffffffff0f010000", "hex");
  expect(code(huge)).toBe("ERR_LIMIT_EXCEEDED");
});

test("any flipped byte gives the text or an error with a code", () => {
  const blob = Buffer.concat([zstdCompressSync(text, checked), zstdCompressSync("b", checked)]);
  fc.assert(
    fc.property(fc.nat(blob.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
      const damaged = Buffer.from(blob);
      damaged[at] = (damaged[at] ?? 0) ^ flip;
      const codes = ["ok", "ERR_LAYER_CORRUPT", "ERR_LAYER_TRUNCATED", "ERR_LIMIT_EXCEEDED"];
      expect(codes).toContain(code(damaged));
    }),
    { numRuns: 200 },
  );
});

test("any frames in any pieces are the joined contents", () => {
  const content = fc.uint8Array({ maxLength: 300 });
  fc.assert(
    fc.property(
      fc.array(content, { maxLength: 6 }),
      fc.integer({ min: 1, max: 200 }),
      (contents, step) => {
        const blob = Buffer.concat(contents.map((bytes) => zstdCompressSync(bytes, checked)));
        expect(run(blob, step).equals(Buffer.concat(contents))).toBe(true);
      },
    ),
  );
});
