import { hash, randomFillSync } from "node:crypto";
import { readdirSync } from "node:fs";
import { gzipSync, zstdCompressSync } from "node:zlib";
import fc from "fast-check";
import { expect, test, vi } from "vitest";
import { ImportError } from "../../src/errors.ts";
import type { DecompressorOptions } from "../../src/layer/decompressor.ts";
import { createLayerFault } from "../../src/layer/fault.ts";
import { createGzipStream } from "../../src/layer/gzip-stream.ts";
import { createZstdStream } from "../../src/layer/zstd-stream.ts";
import { DEFAULT_LIMITS } from "../../src/limits.ts";
import { createThreadedStream } from "../../src/pool/threaded-stream.ts";
import { outcomeOf } from "../support/import-error.ts";
import { runDecompressor, type CreateDecompressor } from "../support/run-decompressor.ts";

const MIB = 2 ** 20;
const HERE = { gzip: createGzipStream, zstd: createZstdStream };
const PACK = { gzip: gzipSync, zstd: zstdCompressSync };
const KINDS = ["gzip", "zstd"] as const;
/** Unpacks to more than what lies between the two threads. */
const CONTENTS = Buffer.concat([
  Buffer.alloc(8 * MIB, "text that packs well, "),
  randomFillSync(Buffer.alloc(3 * MIB)),
  Buffer.alloc(4 * MIB),
]);

function threaded(kind: "gzip" | "zstd"): CreateDecompressor {
  return (options) =>
    createThreadedStream(kind, { ...options, label: "layer 1 of 1 of test", layer: 0 });
}

function messageOf(run: () => void): string {
  try {
    run();
    return "ok";
  } catch (error) {
    if (error instanceof ImportError) return `${error.message} [${error.code}] ${error.hint ?? ""}`;
    throw error;
  }
}

/** Pieces as they come out, and the error, if any. */
function traceOf(create: CreateDecompressor, bytes: Uint8Array, step: number): unknown {
  const lengths: number[] = [];
  const counting: CreateDecompressor = (options) =>
    create({
      ...options,
      output: (piece) => {
        lengths.push(piece.length);
        options.output(piece);
      },
    });
  let contents: Uint8Array = new Uint8Array(0);
  const outcome = messageOf(() => {
    contents = runDecompressor(counting, bytes, { step });
  });
  return { outcome, lengths, sha256: hash("sha256", contents) };
}

function optionsOf(output: (bytes: Uint8Array) => void): DecompressorOptions & {
  readonly label: string;
  readonly layer: number;
} {
  const label = "layer 1 of 1 of test";
  return { fault: createLayerFault(label, 0), limits: DEFAULT_LIMITS, output, label, layer: 0 };
}

function threads(): number {
  return readdirSync("/proc/self/task").length;
}

test("one that is closed in the middle leaves no thread behind, whatever that waits for", async () => {
  const before = threads();
  const full = createThreadedStream(
    "gzip",
    optionsOf(() => undefined),
  );
  full.write(gzipSync(CONTENTS).subarray(0, MIB));
  const starved = createThreadedStream(
    "gzip",
    optionsOf(() => undefined),
  );
  expect(threads()).toBeGreaterThan(before);
  full.close();
  starved.close();
  starved.close();
  await vi.waitFor(() => expect(threads()).toBeLessThanOrEqual(before), 20_000);
});

test.each(KINDS)("%s comes out in the same pieces as on one thread", (kind) => {
  const packed = PACK[kind](CONTENTS);
  for (const step of [MIB, 100_000, 3 * MIB]) {
    const there = runDecompressor(threaded(kind), packed, { step });
    expect(there.equals(CONTENTS)).toBe(true);
  }
  expect(traceOf(threaded(kind), packed, 65_536)).toEqual(traceOf(HERE[kind], packed, 65_536));
});

test.each(KINDS)("damaged %s fails as on one thread, behind the same output", (kind) => {
  const packed = PACK[kind](CONTENTS.subarray(7.5 * MIB, 8.5 * MIB));
  fc.assert(
    fc.property(
      fc.nat(packed.length - 1),
      fc.nat(255),
      fc.oneof(fc.constant(packed.length), fc.nat(packed.length)),
      (position, byte, length) => {
        const damaged = Buffer.from(packed.subarray(0, length));
        if (position < length) damaged[position] = byte;
        expect(traceOf(threaded(kind), damaged, 65_536)).toEqual(
          traceOf(HERE[kind], damaged, 65_536),
        );
      },
    ),
    { numRuns: 8 },
  );
});

const refusing: CreateDecompressor = (options) =>
  threaded("gzip")({
    ...options,
    output: () => {
      throw options.fault("ERR_PATH_ESCAPE", "said by the taker");
    },
  });

test("what the taker throws ends it, and comes before what is wrong further on", () => {
  const damaged = Buffer.concat([gzipSync(CONTENTS), Buffer.from("garbage")]);
  expect(outcomeOf(() => runDecompressor(refusing, damaged))).toBe("ERR_PATH_ESCAPE");
});

test("output says how much of the input it came from, however much more was given", () => {
  const packed = gzipSync(randomFillSync(Buffer.alloc(3 * MIB)));
  const positions: number[] = [];
  const options = optionsOf(() => positions.push(stream.inputBytes ?? 0));
  const stream = createThreadedStream("gzip", options);
  const ends: number[] = [];
  for (let at = 0; at < packed.length; at += 500_000) {
    const piece = packed.subarray(at, at + 500_000);
    stream.write(piece);
    ends.push(at + piece.length);
  }
  stream.end();
  stream.close();
  expect([...new Set(positions)]).toEqual(ends);
});

test("a thread that dies is noticed by the one that waits for it", () => {
  const file = new URL("workers/ends-at-once.ts", import.meta.url);
  const dying: CreateDecompressor = (options) =>
    createThreadedStream("gzip", { ...options, label: "layer 1", layer: 0, file });
  expect(outcomeOf(() => runDecompressor(dying, gzipSync("text")))).toBe("ERR_WORKER_FAILED");
});
