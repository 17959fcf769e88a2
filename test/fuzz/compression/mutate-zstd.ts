import { constants, zstdCompressSync } from "node:zlib";
import { compress } from "../../support/case-kit/case-compression.ts";
import { mutateBytes, overwritten, spliced } from "../mutate-bytes.ts";
import type { Random } from "../random.ts";
import { LONG_TEXT, plainTexts } from "./plain-texts.ts";

const MAGIC = Buffer.from([0x28, 0xb5, 0x2f, 0xfd]);
const EMPTY_FRAME = zstdCompressSync(Buffer.alloc(0));
const MOST_BYTES = 131_072;
const WORDS = [
  MAGIC,
  EMPTY_FRAME,
  skippable(0),
  skippable(3),
  Buffer.from([0x50, 0x2a, 0x4d, 0x18, 0xff, 0xff, 0xff, 0xff]),
  Buffer.from([0x5f, 0x2a, 0x4d, 0x18, 0, 0, 0, 0]),
  // Block headers: last and empty, a run of 128 KiB, the reserved type, one larger than allowed.
  Buffer.from([1, 0, 0]),
  Buffer.from([2, 0, 0x10, 0x41]),
  Buffer.from([7, 0, 0]),
  Buffer.from([0, 0xff, 0xff]),
  // Frame headers without and with a content size, windows up to the largest.
  Buffer.concat([MAGIC, Buffer.from([0x00, 0x00])]),
  Buffer.concat([MAGIC, Buffer.from([0x04, 0x88])]),
  Buffer.concat([MAGIC, Buffer.from([0x00, 0xff])]),
  Buffer.concat([MAGIC, Buffer.from([0xe0, 0, 0, 0, 0, 0, 0, 0, 0x80])]),
];

export function zstdSeeds(): readonly Uint8Array[] {
  const short = plainTexts().flatMap((text) => [
    zstdCompressSync(text),
    zstdCompressSync(text, { params: { [constants.ZSTD_c_checksumFlag]: 1 } }),
    zstdCompressSync(text, { params: { [constants.ZSTD_c_contentSizeFlag]: 0 } }),
    zstdCompressSync(text, { params: { [constants.ZSTD_c_compressionLevel]: 19 } }),
    zstdCompressSync(text, { params: { [constants.ZSTD_c_windowLog]: 10 } }),
    compress(text, "zstd-frames"),
    compress(text, "zstd-window-23"),
    compress(text, "zstd-window-24"),
  ]);
  return [...short, zstdCompressSync(LONG_TEXT)];
}

/** Bytes, and what is special to zstd: frames, skippable ones, frame and block headers, what follows. */
export function mutateZstd(input: Uint8Array, random: Random, donor: Uint8Array): Buffer {
  return changed(Buffer.from(input), random, donor).subarray(0, MOST_BYTES);
}

function changed(bytes: Buffer, random: Random, donor: Uint8Array): Buffer {
  switch (random.below(10)) {
    case 0:
      return Buffer.concat([bytes, donor]);
    case 1:
      return Buffer.concat([skippable(random.skewedBelow(2000)), bytes]);
    case 2:
      return Buffer.concat([bytes, skippable(random.skewedBelow(2000), random.below(16)), donor]);
    case 3:
      return Buffer.concat([
        bytes,
        random.oneIn(2) ? random.bytes(1 + random.below(20)) : random.pick(WORDS),
      ]);
    case 4:
      // The frame header: descriptor, window, dictionary, content size.
      return overwritten(bytes, 4 + random.below(14), random.bytes(1 + random.below(3)));
    case 5:
      return bytes.subarray(
        0,
        random.oneIn(2) ? bytes.length - random.below(12) : random.below(bytes.length),
      );
    case 6:
      return spliced(bytes, 0, 0, random.pick(WORDS));
    default:
      return mutateBytes(bytes, random, { words: WORDS, donor });
  }
}

function skippable(length: number, kind = 0): Buffer {
  const head = Buffer.alloc(8);
  head.writeUInt32LE(0x184d2a50 + kind);
  head.writeUInt32LE(length, 4);
  return Buffer.concat([head, Buffer.alloc(length, "skip")]);
}
