import { constants, gzipSync } from "node:zlib";
import { compress } from "../../support/case-kit/case-compression.ts";
import { mutateBytes, overwritten, spliced } from "../mutate-bytes.ts";
import type { Random } from "../random.ts";
import { LONG_TEXT, plainTexts } from "./plain-texts.ts";

const EMPTY_MEMBER = gzipSync(Buffer.alloc(0));
const ONE_BYTE = gzipSync(Buffer.from("x"));
const HEADER = Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3]);
/** Stored, fixed and dynamic blocks, the reserved type, and the empty ones that a flush leaves. */
const BLOCKS = [
  Buffer.from([0x01, 0, 0, 0xff, 0xff]),
  Buffer.from([0x00, 0, 0, 0xff, 0xff]),
  Buffer.from([0x03, 0]),
  Buffer.from([0x07]),
  Buffer.from([0x01, 0xff, 0xff, 0, 0]),
];
const MOST_BYTES = 131_072;
const WORDS = [EMPTY_MEMBER, ONE_BYTE, HEADER, ...BLOCKS, Buffer.from([0x1f, 0x8b])];

export function gzipSeeds(): readonly Uint8Array[] {
  const short = plainTexts().flatMap((text) => [
    gzipSync(text, { level: 0 }),
    gzipSync(text, { level: 1 }),
    gzipSync(text, { level: 9, windowBits: 9 }),
    gzipSync(text, { strategy: constants.Z_FIXED }),
    gzipSync(text, { strategy: constants.Z_HUFFMAN_ONLY }),
    compress(text, "gzip-multimember"),
    compress(text, "gzip-fields"),
  ]);
  return [...short, gzipSync(LONG_TEXT)];
}

/** Bytes, and what is special to gzip: members, header fields, trailers, what follows. */
export function mutateGzip(input: Uint8Array, random: Random, donor: Uint8Array): Buffer {
  return changed(Buffer.from(input), random, donor).subarray(0, MOST_BYTES);
}

function changed(bytes: Buffer, random: Random, donor: Uint8Array): Buffer {
  switch (random.below(10)) {
    case 0:
      return Buffer.concat([bytes, donor]);
    case 1:
      return Buffer.concat([
        bytes,
        Buffer.alloc(random.below(600)),
        random.oneIn(2) ? donor : EMPTY_MEMBER,
      ]);
    case 2:
      return Buffer.concat([
        bytes,
        random.oneIn(2) ? random.bytes(1 + random.below(20)) : random.pick(WORDS),
      ]);
    case 3:
      return withFields(bytes, random);
    case 4:
      return overwritten(bytes, Math.max(0, bytes.length - 1 - random.below(8)), random.bytes(1));
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

/** Sets flags of the header and puts something where their fields would be. */
function withFields(bytes: Buffer, random: Random): Buffer {
  const flagged = overwritten(bytes, 3, random.bytes(1));
  const length = random.skewedBelow(300);
  const fields = [
    Buffer.of(length & 0xff, length >>> 8),
    Buffer.alloc(random.oneIn(3) ? length + 1 : length, "e"),
    Buffer.from("name\0comment\0", "latin1"),
    random.bytes(2),
  ];
  return spliced(flagged, 10, 0, Buffer.concat(fields.filter(() => random.oneIn(2))));
}
