import { crc32, gunzipSync, zstdDecompressSync } from "node:zlib";
import { ImportError } from "../../../src/errors.ts";
import type { Decompressor, DecompressorOptions } from "../../../src/layer/decompressor.ts";
import { createLayerFault } from "../../../src/layer/fault.ts";
import { createGzipStream } from "../../../src/layer/gzip-stream.ts";
import { createZstdStream } from "../../../src/layer/zstd-stream.ts";
import { DEFAULT_LIMITS } from "../../../src/limits.ts";
import { gzipSeeds, mutateGzip } from "../compression/mutate-gzip.ts";
import { mutateZstd, zstdSeeds } from "../compression/mutate-zstd.ts";
import { demand, type FuzzTarget } from "../fuzz-target.ts";

/** More than a mebibyte, so that output is emptied in between; less than a bomb needs. */
const MOST_OUTPUT = 3 << 20;
const MOST_PIECES = 300;
const FAULT = createLayerFault("layer 1 of 1 of fuzz", 0);
const LIMITS = { ...DEFAULT_LIMITS, zstdWindowBytes: 8 << 20 };

export const gzipTarget: FuzzTarget = {
  name: "gzip",
  weight: 3,
  open: () => ({
    seeds: gzipSeeds(),
    mutate: mutateGzip,
    run: (input) => {
      const plain = runBoth(createGzipStream, input);
      if (plain === undefined) return;
      demand(gunzipSync(input).equals(plain), "an accepted stream is what gunzip makes of it");
    },
  }),
};

export const zstdTarget: FuzzTarget = {
  name: "zstd",
  weight: 3,
  open: () => ({
    seeds: zstdSeeds(),
    mutate: mutateZstd,
    run: (input) => {
      const plain = runBoth(createZstdStream, input);
      const first = plain === undefined ? undefined : firstFrame(input);
      if (first === undefined || plain === undefined) return;
      const begins = plain.subarray(0, first.length).equals(first);
      demand(begins, "the output begins with that of the first frame");
    },
  }),
};

class TooMuch extends Error {}

type Create = (options: DecompressorOptions) => Decompressor;

/** In one piece, and in pieces. @returns undefined for too much output @throws ImportError */
function runBoth(create: Create, input: Uint8Array): Buffer | undefined {
  const whole = decompress(create, input, input.length);
  const wanted = [1, 3, 17, 64][crc32(input) % 4] ?? 1;
  const length = Math.max(wanted, Math.ceil(input.length / MOST_PIECES));
  const inPieces = decompress(create, input, length);
  const same = whole instanceof Buffer && inPieces instanceof Buffer && whole.equals(inPieces);
  const bothFail = !(whole instanceof Buffer) && endOf(whole) === endOf(inPieces);
  demand(same || bothFail, `pieces of ${length} bytes end as the whole does`);
  if (whole instanceof ImportError) throw whole;
  return whole instanceof Buffer ? whole : undefined;
}

function endOf(outcome: Buffer | ImportError | TooMuch): string {
  if (outcome instanceof ImportError) return outcome.code;
  return outcome instanceof TooMuch ? "too much" : "other bytes";
}

function decompress(
  create: Create,
  input: Uint8Array,
  pieceLength: number,
): Buffer | ImportError | TooMuch {
  const parts: Buffer[] = [];
  let length = 0;
  const output = (bytes: Uint8Array): void => {
    parts.push(Buffer.from(bytes));
    length += bytes.length;
    if (length > MOST_OUTPUT) throw new TooMuch();
  };
  const decompressor = create({ fault: FAULT, limits: LIMITS, output });
  try {
    for (let at = 0; at < input.length; at += pieceLength) {
      const lent = Uint8Array.from(input.subarray(at, at + pieceLength));
      decompressor.write(lent);
      lent.fill(0xaa);
    }
    decompressor.end();
    return Buffer.concat(parts);
  } catch (error) {
    if (error instanceof TooMuch || error instanceof ImportError) return error;
    throw error;
  } finally {
    decompressor.close();
  }
}

/** Node's own decoder stops after one frame, and knows no skippable ones in front. */
function firstFrame(input: Uint8Array): Buffer | undefined {
  if (input[0] !== 0x28) return undefined;
  try {
    return zstdDecompressSync(input, { maxOutputLength: MOST_OUTPUT });
  } catch {
    return undefined;
  }
}
