import { mutateBytes, overwritten, spliced } from "../mutate-bytes.ts";
import type { Random } from "../random.ts";
import { mutatePax, PAX_WORDS, randomRecord } from "./mutate-pax.ts";
import {
  BLOCK,
  FIELDS,
  headerBlock,
  headersOf,
  padded,
  sealHeader,
  type FieldName,
} from "./tar-blocks.ts";

const FIELD_NAMES = Object.keys(FIELDS).filter((name): name is FieldName => name in FIELDS);
const TYPEFLAGS = "\x000123456789xgLKSVDMNA";
const MAGICS = ["ustar\x0000", "ustar  \0", "\0\0\0\0\0\0\0\0", "ustar\x0099"];
const NAMES = [
  "",
  ".",
  "./",
  "/",
  "..",
  "../x",
  "a/..",
  "a/../../x",
  "a",
  "a/b",
  "b/",
  ".wh.a",
  ".wh..wh..opq",
  "a/.wh..wh..opq",
  ".wh..wh.aufs",
  ".wh.",
  ".wh...",
  "\xff\xfe",
  "\x1b[2J",
  "n".repeat(100),
];
const MOST_BYTES = 65_536;

/** Changes an archive as a hostile builder would: mostly valid headers that say something else. */
export function mutateTar(input: Uint8Array, random: Random, donor: Uint8Array): Buffer {
  if (random.oneIn(12)) return mutateBytes(input, random, { words: PAX_WORDS, donor });
  let archive: Buffer = Buffer.from(input);
  for (let left = 1 + random.skewedBelow(6); left > 0; left--) {
    archive = changeOnce(archive, random, donor);
  }
  return archive.subarray(0, MOST_BYTES);
}

function changeOnce(archive: Buffer, random: Random, donor: Uint8Array): Buffer {
  const headers = headersOf(archive);
  const header = headers[random.below(headers.length)] ?? 0;
  switch (random.below(12)) {
    case 0:
    case 1:
    case 2:
    case 3:
      return fieldChanged(archive, header, random);
    case 4:
      return bodyChanged(archive, header, random, donor);
    case 5:
      return paxInserted(archive, header, random);
    case 6:
      return blocksMoved(archive, random);
    case 7:
      return blocksTaken(archive, header, random, donor);
    case 8:
      return longNameInserted(archive, header, random);
    case 9:
      return bytesChanged(archive, headers, random);
    case 10:
      return random.oneIn(3)
        ? archive.subarray(0, random.below(archive.length + 1))
        : spliced(archive, header, 0, Buffer.alloc(BLOCK * (1 + random.below(2))));
    default:
      return spliced(archive, header, 0, plainEntry(random));
  }
}

function fieldChanged(archive: Buffer, header: number, random: Random): Buffer {
  const name = random.pick(FIELD_NAMES);
  const [start, width] = FIELDS[name];
  const value = fieldValue(name, width, random);
  if (header + BLOCK > archive.length) return archive;
  archive.fill(0, header + start, header + start + width);
  value.copy(archive, header + start, 0, width);
  sealHeader(archive, header);
  return archive;
}

function fieldValue(name: FieldName, width: number, random: Random): Buffer {
  if (name === "typeflag") return Buffer.from(TYPEFLAGS[random.below(TYPEFLAGS.length)] ?? "0");
  if (name === "magic") return Buffer.from(random.pick(MAGICS), "latin1");
  if (name === "name" || name === "linkname" || name === "prefix") {
    return Buffer.from(random.pick(NAMES), "latin1");
  }
  if (width < 4 || random.oneIn(5)) return random.bytes(width);
  if (random.oneIn(4)) {
    const wide = Buffer.alloc(width, random.pick([0, 0xff]));
    wide.writeUInt32BE(random.pick([0, 1, 0xffff_ffff, 0x7fff_ffff, 512]), width - 4);
    wide[0] = random.pick([0x80, 0xff, 0xc0, 0x81]);
    return wide;
  }
  const number = random.pick([
    0,
    1,
    511,
    512,
    513,
    1024,
    2 ** 21,
    2 ** 31,
    2 ** 32 - 1,
    2 ** 33 - 1,
  ]);
  const text = random.pick([
    `${number
      .toString(8)
      .padStart(width - 1, "0")
      .slice(-(width - 1))}\0`,
    ` ${number.toString(8)} `,
    number.toString(8),
    "-1",
    "8",
    " ".repeat(width),
  ]);
  return Buffer.from(text, "latin1");
}

/** What a header announces: a pax body record by record, everything else byte by byte. */
function bodyChanged(archive: Buffer, header: number, random: Random, donor: Uint8Array): Buffer {
  const size = sizeAt(archive, header);
  const bodyAt = header + BLOCK;
  const body = archive.subarray(bodyAt, bodyAt + size);
  const isPax = "xg".includes(String.fromCharCode(archive[header + 156] ?? 0));
  const changed = isPax
    ? mutatePax(body, random, randomRecord(random))
    : mutateBytes(body, random, { words: PAX_WORDS, donor, changes: 3 });
  const result = spliced(archive, bodyAt, padded(body).length, padded(changed));
  return random.oneIn(4) ? result : resized(result, header, changed.length);
}

function paxInserted(archive: Buffer, header: number, random: Random): Buffer {
  const records = Array.from({ length: 1 + random.skewedBelow(5) }, () => randomRecord(random));
  const body = Buffer.concat(records);
  const head = headerBlock(random.oneIn(6) ? "g" : "x", "PaxHeaders/x", body.length);
  return spliced(archive, header, 0, Buffer.concat([head, padded(body)]));
}

function longNameInserted(archive: Buffer, header: number, random: Random): Buffer {
  const name = random.pick(NAMES);
  const body = Buffer.from(
    random.oneIn(3) ? `${name}/`.repeat(1 + random.below(90)) : name,
    "latin1",
  );
  const ended = random.oneIn(3) ? body : Buffer.concat([body, Buffer.alloc(1)]);
  const head = headerBlock(random.pick(["L", "K"]), "././@LongLink", ended.length);
  return spliced(archive, header, 0, Buffer.concat([head, padded(ended)]));
}

function plainEntry(random: Random): Buffer {
  const body = Buffer.alloc(random.pick([0, 0, 1, 511, 512, 513]), "body");
  const typeflag = TYPEFLAGS[random.below(9)] ?? "0";
  const block = headerBlock(typeflag, random.pick(NAMES), body.length);
  block.write(random.pick(NAMES), 157, 100, "latin1");
  sealHeader(block, 0);
  return Buffer.concat([block, padded(body)]);
}

function blocksMoved(archive: Buffer, random: Random): Buffer {
  const blocks = Math.floor(archive.length / BLOCK);
  const from = random.below(blocks) * BLOCK;
  const part = Buffer.from(archive.subarray(from, from + BLOCK * (1 + random.skewedBelow(5))));
  const left = random.oneIn(2) ? archive : spliced(archive, from, part.length, Buffer.alloc(0));
  return spliced(left, random.below(Math.floor(left.length / BLOCK) + 1) * BLOCK, 0, part);
}

function blocksTaken(archive: Buffer, header: number, random: Random, donor: Uint8Array): Buffer {
  const starts = headersOf(donor);
  const start = starts[random.below(starts.length)] ?? 0;
  const end = starts.find((at) => at > start && random.oneIn(2)) ?? donor.length;
  return spliced(archive, header, 0, donor.subarray(start, end));
}

function bytesChanged(archive: Buffer, headers: readonly number[], random: Random): Buffer {
  const changed = overwritten(
    archive,
    random.below(archive.length),
    random.bytes(1 + random.below(8)),
  );
  if (!random.oneIn(8)) for (const at of headers) sealHeader(changed, at);
  return changed;
}

function sizeAt(archive: Buffer, header: number): number {
  const size = Number.parseInt(archive.toString("latin1", header + 124, header + 135), 8);
  return size >= 0 ? Math.min(size, archive.length) : 0;
}

function resized(archive: Buffer, header: number, size: number): Buffer {
  if (header + BLOCK > archive.length) return archive;
  archive.write(`${size.toString(8).padStart(11, "0")}\0`, header + 124, "latin1");
  sealHeader(archive, header);
  return archive;
}
